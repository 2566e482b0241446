"""A recorded message decoded and written anew; runs in the confined child, so it knows nothing of the portal (SPEC H4).

What comes out is AAC in an m4a file: iPhones and the browser inside WeChat on old Androids play it, which Opus is not
sure of. Nothing of what was sent gets in: no cover, no name, no place.
"""

import array
import io

import av
from av.error import FFmpegError

MOST_SECONDS = 60
RATE, BIT_RATE = 24_000, 32_000  # a voice; a minute is 250 KB
QUIETEST = 60  # of 32,767: below that nothing was recorded
LEAST_SECONDS = 0.3
MOST_STREAMS = 4
CODECS = frozenset({
    "aac", "alac", "amrnb", "amrwb", "flac", "mp3", "mp3float", "opus", "libopus", "vorbis", "pcm_s16le", "pcm_s16be",
    "pcm_u8", "pcm_f32le", "pcm_s24le", "pcm_alaw", "pcm_mulaw",
})  # fmt: skip
OPTIONS = {"codec_whitelist": ",".join(sorted(CODECS))}
# What a file begins with -> the one reader it gets. Never ffmpeg's own guess: it knows formats that open other files.
BEGINNINGS = (
    (0, b"\x1aE\xdf\xa3", "matroska"), (0, b"OggS", "ogg"), (4, b"ftyp", "mp4"), (8, b"WAVE", "wav"),
    (0, b"#!AMR", "amr"), (0, b"caff", "caf"), (0, b"fLaC", "flac"), (0, b"ID3", "mp3"),
    (0, b"\xff\xf1", "aac"), (0, b"\xff\xf9", "aac"), (0, b"\xff\xfb", "mp3"), (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"), (0, b"\xff\xfa", "mp3"),
)  # fmt: skip


class NoVoice(Exception):
    """Why it cannot be used: 'unknown', 'video', 'silent', 'short' or 'broken'."""


def encode(data: bytes) -> tuple[bytes, float, bool] | str:
    """The first MOST_SECONDS of what was said as m4a, its seconds, whether there was more; or a word for why not.

    A word, not an exception: whoever asks need not load ffmpeg to understand it. A file that breaks off in the middle
    gives what is there.
    """
    try:
        return _encode(data)
    except NoVoice as error:
        return str(error)


def _encode(data: bytes) -> tuple[bytes, float, bool]:
    out = io.BytesIO()
    try:
        with av.open(io.BytesIO(data), "r", format=_reader(data), options=OPTIONS) as sent:
            stream = _stream(sent)
            with av.open(out, "w", format="ipod") as made:
                seconds, more = _copy(sent, stream, made)
    except (FFmpegError, ValueError, OverflowError) as error:
        raise NoVoice("broken") from error
    return out.getvalue(), seconds, more


def _reader(data: bytes) -> str:
    for offset, beginning, name in BEGINNINGS:
        if data[offset : offset + len(beginning)] == beginning:
            return name
    raise NoVoice("unknown")


def _stream(sent: "av.container.InputContainer") -> "av.audio.stream.AudioStream":
    if len(sent.streams) > MOST_STREAMS or any(s.type != "audio" for s in sent.streams):
        raise NoVoice("video")
    if not sent.streams.audio:
        raise NoVoice("broken")
    stream = sent.streams.audio[0]
    if stream.codec_context.name not in CODECS:
        raise NoVoice("unknown")
    stream.codec_context.thread_count = 1
    stream.codec_context.thread_type = "NONE"
    return stream


def _copy(
    sent: "av.container.InputContainer", stream: "av.audio.stream.AudioStream", made: "av.container.OutputContainer"
) -> tuple[float, bool]:
    target = made.add_stream("aac", rate=RATE, layout="mono", bit_rate=BIT_RATE)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    written, loudest, more = 0, 0, False
    for frame in _frames(sent, stream):
        frame.pts = None
        for part in resampler.resample(frame):
            left = MOST_SECONDS * RATE - written
            if left < part.samples:
                more = True
                break
            loudest = max(loudest, _loudness(part))
            part.pts, written = written, written + part.samples
            made.mux(target.encode(part))
        if more:
            break
    made.mux(target.encode(None))
    if written < LEAST_SECONDS * RATE:
        raise NoVoice("short" if written else "broken")
    if loudest < QUIETEST:
        raise NoVoice("silent")
    return written / RATE, more


def _frames(sent: "av.container.InputContainer", stream: "av.audio.stream.AudioStream"):  # type: ignore[no-untyped-def]
    """What can be decoded, up to the first damage: half a call for help is better than none."""
    try:
        yield from sent.decode(stream)
    except FFmpegError:
        return


def _loudness(part: "av.AudioFrame") -> int:
    samples = array.array("h")
    samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return max((max(samples), -min(samples))) if samples else 0

"""Recordings are written anew by a confined child, and nothing of what was sent is kept (SPEC H4)."""

from __future__ import annotations

import pytest

from portal.core import confined
from portal.help_requests import voice, voice_encoding
from tests.help_requests import recordings
from tests.help_requests.recordings import recording

pytestmark = pytest.mark.once


@pytest.mark.parametrize("fmt", recordings.good())
def test_what_phones_record_becomes_m4a(fmt):
    made = voice_encoding.encode(recordings.good()[fmt])
    assert not isinstance(made, str), made
    sound, seconds, cut = made
    assert sound[4:8] == b"ftyp" and 1.8 < seconds < 2.2 and not cut
    again = voice_encoding.encode(sound)
    assert not isinstance(again, str)


def test_of_a_long_one_the_first_minute_is_kept():
    made = voice_encoding.encode(recording("ogg", "libopus", 64))
    assert not isinstance(made, str) and 59 < made[1] <= 60 and made[2]


def test_half_a_recording_is_better_than_none():
    made = voice_encoding.encode(recording("ogg", "libopus", 4)[:20_000])
    assert not isinstance(made, str) and made[1] > 1


def test_forty_hostile_files_are_refused():
    sent = recordings.hostile()
    assert len(sent) >= 40
    kept = {name: made for name, data in sent.items() if not isinstance(made := voice_encoding.encode(data), str)}
    # Noise after a true beginning may decode to sound; then it is our own file that is kept, never what came.
    assert all(name.startswith("noise") for name in kept), kept.keys()
    assert all(made[0][4:8] == b"ftyp" and sent[name][20:] not in made[0] for name, made in kept.items())


def test_the_child_keeps_within_300_mb_and_files_are_ours(app):
    long = recording("ogg", "libopus", 64)
    with app.app_context():
        kept = voice.save(long)
        assert kept.cut and kept.seconds == 60 and voice.known(kept.name)
        assert long[:200] not in (voice.folder() / kept.name).read_bytes()
        for data in (recordings.video(), recordings.hostile()["zip bomb"], b"\0" * (voice.MOST_BYTES + 1)):
            with pytest.raises(voice.VoiceRefused):
                voice.save(data)
        voice.remove(kept.name)
        voice.remove(kept.name)
        assert not voice.known(kept.name) and not voice.known("../portal.db") and not list(voice.folder().iterdir())
    assert voice.MEMORY <= 300 * 1024**2  # addresses, hence also what is resident: with them the longest went well


def test_a_child_that_says_nothing_is_a_refusal(app, monkeypatch):
    def gone(*_args, **_limits):
        raise confined.Exceeded("killed")

    monkeypatch.setattr(confined, "call", gone)
    with app.app_context(), pytest.raises(voice.VoiceRefused):
        voice.save(b"OggS")

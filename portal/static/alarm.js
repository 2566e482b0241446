// The alarm on a staff page: full screen, sound, blinking title; the quiet bar; whether the sound is on. What rings comes
// from alarm_worker.js. Plain ES5.
(function () {
  "use strict";
  var d = document, desk = d.getElementById("alarm-desk");
  if (!desk || !window.Worker) return;
  var board = desk.querySelector("[data-board]"), state = desk.querySelector("[data-sound]");
  var title = d.title, rings = [], blink = 0, ticking = 0, mutedUntil = 0, out = false, away = 0, told = "", focus = null;
  var context = null, beep = null, audio = null, armed = false, playing = false, trying = 0;

  // Sound -----------------------------------------------------------------------------------------------------------
  // Two tones of our own, a second long, as a WAV for <audio loop>; and the same by WebAudio where that is let.
  function wav() {
    var rate = 8000, n = rate, b = new ArrayBuffer(44 + n * 2), v = new DataView(b), i;
    function text(at, s) { for (var k = 0; k < s.length; k++) v.setUint8(at + k, s.charCodeAt(k)); }
    text(0, "RIFF"); v.setUint32(4, 36 + n * 2, true); text(8, "WAVEfmt "); v.setUint32(16, 16, true); v.setUint16(20, 1, true);
    v.setUint16(22, 1, true); v.setUint32(24, rate, true); v.setUint32(28, rate * 2, true); v.setUint16(32, 2, true);
    v.setUint16(34, 16, true); text(36, "data"); v.setUint32(40, n * 2, true);
    for (i = 0; i < n; i++) {
      var part = i % (n / 2), on = part < n * 0.42, edge = Math.min(1, part / 200, Math.max(0, n * 0.42 - part) / 200);
      v.setInt16(44 + i * 2, on ? 26000 * edge * Math.sin(2 * Math.PI * (i < n / 2 ? 880 : 660) * i / rate) : 0, true);
    }
    return URL.createObjectURL(new Blob([b], { type: "audio/wav" }));
  }
  function arm() {
    try {
      if (!context) { var C = window.AudioContext || window.webkitAudioContext; context = C ? new C() : null; }
      if (context && context.state !== "running") context.resume().then(check, check);
    } catch (e) { context = null; }
    if (!audio) { audio = new Audio(wav()); audio.loop = true; }
    check();
  }
  function check() {
    var now = !!(context && context.state === "running");
    if (now !== armed) { armed = now; worker.postMessage({ sound: armed ? 1 : 0, begun: true }); }
    show(); sound();
  }
  function start() {
    if (playing) return;
    playing = true;
    if (audio) { var p = audio.play(); if (p && p.catch) p.catch(function () {}); }
    if (context && context.state === "running") {
      beep = setInterval(tone, 1000); tone();
    }
  }
  function tone() {
    try {
      var o = context.createOscillator(), g = context.createGain();
      o.frequency.value = 880; o.frequency.setValueAtTime(660, context.currentTime + 0.45); g.gain.value = 0.25;
      o.connect(g); g.connect(context.destination); o.start(); o.stop(context.currentTime + 0.85);
    } catch (e) { clearInterval(beep); }
  }
  function stop() {
    if (!playing) return;
    playing = false; clearInterval(beep);
    if (audio) { audio.pause(); audio.currentTime = 0; }
  }
  function sound() { if ((rings.length && Date.now() > mutedUntil) || trying) start(); else stop(); }

  // What is said of it ----------------------------------------------------------------------------------------------
  function show() {
    var text, how = "al-sound";
    if (out) { text = "登录已过期，这一页不会响铃了。"; how = "al-sound out"; }
    else if (away > 3) { text = "连不上服务器，现在收不到紧急求助。请留意电话。"; how = "al-sound out"; }
    else if (!armed) text = "紧急铃声未开";
    else { text = ""; }
    desk.dataset.armed = armed ? 1 : 0;
    if (text + how === told) return;
    told = text + how;
    // On or off, the line is as high: what one is about to press must not move away under the finger.
    state.className = text ? how : "al-sound on"; state.textContent = "";
    var p = d.createElement("p");
    p.textContent = text || "紧急铃声已开";
    if (how === "al-sound" && text) {
      var more = d.createElement("span");
      more.textContent = "：有求助时会弹出来，但没有声音";
      p.appendChild(more);
    }
    state.appendChild(p);
    if (out) {
      var a = d.createElement("a");
      a.href = "/staff/login?next=" + encodeURIComponent(location.pathname); a.textContent = "重新登录"; a.className = "btn danger";
      state.appendChild(a);
    } else if (text && away <= 3) {
      var b = d.createElement("button");
      b.type = "button"; b.textContent = "点一下打开";
      b.addEventListener("click", arm);
      state.appendChild(b);
    }
  }
  function name() {
    var first = rings.length ? desk.dataset.title : "";
    d.title = first && blink % 2 ? first : first ? "■■ " + title : title;
    blink++;
  }
  function put(where, html) { // our own page's piece, taken apart by the browser; scripts in it would not run
    var body = new DOMParser().parseFromString(html, "text/html").body;
    while (where.firstChild) where.removeChild(where.firstChild);
    while (body.firstChild) where.appendChild(d.adoptNode(body.firstChild));
  }
  function draw(found) {
    var was = rings.map(function (r) { return r.id + ":" + r.ring; }).join();
    rings = found ? found.rings : [];
    desk.dataset.title = found ? found.title : "";
    var held = board.contains(d.activeElement);
    put(board, found ? found.html : "");
    var box = board.querySelector(".al"), key = rings.map(function (r) { return r.id + ":" + r.ring; }).join();
    if (key !== was) mutedUntil = 0;
    if (box) {
      if (!focus) focus = d.activeElement;
      if (key !== was || held) (box.querySelector(".al-take") || box).focus();
      var since = box.querySelector("[data-since]");
      ticking = Date.now() - 1000 * +since.dataset.since;
      if (key !== was) worker.postMessage({ shown: rings.map(function (r) { return "&alarm=" + r.id + ":" + r.ring; }).join("") });
    } else if (focus) { if (focus.focus && d.contains(focus)) focus.focus(); focus = null; }
    sound(); name();
  }
  setInterval(function () {
    var since = board.querySelector("[data-since]");
    if (since) {
      var s = Math.max(0, Math.floor((Date.now() - ticking) / 1000));
      since.textContent = Math.floor(s / 60) + ":" + (s % 60 < 10 ? "0" : "") + s % 60;
      name();
      if (mutedUntil && Date.now() > mutedUntil) { mutedUntil = 0; sound(); }
    } else if (d.title !== title && !rings.length) d.title = title;
  }, 1000);
  board.addEventListener("click", function (e) {
    var t = e.target.closest ? e.target.closest("[data-mute]") : null;
    if (t) { mutedUntil = Date.now() + +t.getAttribute("data-mute"); t.lastChild.textContent = t.getAttribute("data-said"); sound(); }
  });
  board.addEventListener("keydown", function (e) { // the rest of the page lies below it
    var box = board.querySelector(".al");
    if (e.key !== "Tab" || !box) return;
    var all = box.querySelectorAll("button"), first = all[0], last = all[all.length - 1];
    if (e.shiftKey && d.activeElement === first) { e.preventDefault(); last.focus(); }
    else if (!e.shiftKey && d.activeElement === last) { e.preventDefault(); first.focus(); }
  });

  // The worker ------------------------------------------------------------------------------------------------------
  var worker = new Worker(desk.dataset.worker);
  worker.onmessage = function (e) {
    var m = e.data;
    if (m.out) { out = true; return show(); }
    if (m.away) { away++; return show(); }
    out = false; away = 0; show();
    if (m.found) draw(m.found);
    if (m.nothing) draw(null);
  };
  function token() { try { return JSON.parse(d.body.getAttribute("hx-headers"))["X-CSRFToken"]; } catch (e) { return ""; } }
  function seen() { worker.postMessage({ visible: d.hidden ? 0 : 1, token: token() }); }
  d.addEventListener("visibilitychange", seen);
  d.addEventListener("pointerdown", function () { if (!armed) arm(); }, true); // any press on the page opens the sound
  d.addEventListener("keydown", function () { if (!armed) arm(); }, true);
  arm(); show();
  worker.postMessage({ begin: true, token: token(), visible: d.hidden ? 0 : 1, sound: armed ? 1 : 0 });

  // 试响 --------------------------------------------------------------------------------------------------------------
  var box = d.getElementById("try-sound");
  if (box) box.addEventListener("click", function (e) {
    var t = e.target.closest("button"), said = d.getElementById("try-said");
    if (!t) return;
    var heard = box.querySelectorAll("[data-heard]");
    if ("try" in t.dataset) {
      arm(); trying = 1; sound(); said.textContent = "正在响…";
      setTimeout(function () { trying = 0; sound(); said.textContent = "响过了。听到了吗？"; }, 3000);
      [].forEach.call(heard, function (b) { b.hidden = false; });
    } else {
      trying = 0; sound();
      worker.postMessage({ tried: t.dataset.heard });
      said.textContent = t.dataset.heard === "1" ? "记下了，这台电脑听得到。" : "记下了。请看看音量和静音键，再试一次。";
      [].forEach.call(heard, function (b) { b.hidden = true; });
    }
  });
})();

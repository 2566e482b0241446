// 按住说话: hold (or press once, press again) to record up to 60 seconds. Put on <form> … <div data-voice="voice"
// data-most="60"> with an <input type="file" name="voice"> inside: without MediaRecorder or a microphone that input is the
// way, and a text field beside it. The recording becomes the input's file, or with data-send is posted at once.
// Plain ES5 for old phones.
(function () {
  "use strict";
  var d = document;
  function make(box) {
    var input = box.querySelector("input[type=file]"), form = input && input.form;
    if (!input || !window.MediaRecorder || !navigator.mediaDevices || !window.DataTransfer && !("send" in box.dataset)) return;
    var most = +box.dataset.most || 60, rec = null, parts = [], began = 0, timer = 0, stream = null, wanted = false, held = false;
    var b = d.createElement("button"), said = d.createElement("p"), sound = d.createElement("audio"), again = d.createElement("button");
    b.type = again.type = "button";
    b.className = "voice-press"; said.className = "voice-said"; again.className = "voice-again";
    said.setAttribute("role", "status");
    sound.controls = true; sound.hidden = true; again.hidden = true; again.textContent = "重新录";
    var label = box.dataset.label || "按住说话";
    var mic = box.querySelector("svg");
    if (mic) b.appendChild(mic);
    var words = b.appendChild(d.createElement("span"));
    words.textContent = label;
    box.insertBefore(b, box.firstChild);
    [said, sound, again].forEach(function (e) { box.appendChild(e); });
    box.classList.add("ready"); // the sheet hides the file field then

    function kind() {
      var known = ["audio/mp4", "audio/webm;codecs=opus", "audio/webm", "audio/ogg;codecs=opus"];
      for (var i = 0; i < known.length; i++) if (MediaRecorder.isTypeSupported && MediaRecorder.isTypeSupported(known[i])) return known[i];
      return "";
    }
    function tick() {
      var left = most - Math.floor((Date.now() - began) / 1000);
      words.textContent = held ? "松开结束，还能说 " + left + " 秒" : "再按一下结束，还能说 " + left + " 秒";
      if (left <= 0) stop();
    }
    function quiet() { if (stream) stream.getTracks().forEach(function (t) { t.stop(); }); stream = null; }
    function start() {
      if (rec || wanted) return;
      wanted = true; said.textContent = "";
      navigator.mediaDevices.getUserMedia({ audio: true }).then(function (s) {
        stream = s;
        if (!wanted) return quiet(); // let go while the phone was asking
        var type = kind();
        parts = []; rec = new MediaRecorder(s, type ? { mimeType: type, audioBitsPerSecond: 32000 } : {});
        rec.ondataavailable = function (e) { if (e.data.size) parts.push(e.data); };
        rec.onstop = done;
        began = Date.now(); rec.start(1000); timer = setInterval(tick, 250); tick();
        box.classList.add("on");
      }, function () {
        wanted = false; held = false;
        box.classList.remove("ready"); // the file field and the words remain
        b.hidden = true; said.textContent = "这部手机不让录音。可以选一段录好的，或者写几个字。";
      });
    }
    function stop() { wanted = false; if (rec && rec.state !== "inactive") rec.stop(); }
    function done() {
      clearInterval(timer); quiet(); box.classList.remove("on");
      var seconds = (Date.now() - began) / 1000, type = rec.mimeType || "audio/webm", blob = new Blob(parts, { type: type });
      rec = null; held = false; words.textContent = label;
      if (seconds < 0.7 || !blob.size) { said.textContent = "太短了，请按住再说一次。"; return; }
      var name = "voice." + (/mp4/.test(type) ? "m4a" : /ogg/.test(type) ? "ogg" : "webm");
      sound.src = URL.createObjectURL(blob); sound.hidden = false;
      if ("send" in box.dataset) return post(blob, name);
      var bag = new DataTransfer();
      bag.items.add(new File([blob], name, { type: type }));
      input.files = bag.files;
      b.hidden = true; again.hidden = false;
      said.textContent = "录好了，" + Math.round(seconds) + " 秒。可以先听一遍。";
    }
    function post(blob, name) {
      var x = new XMLHttpRequest(), body = new FormData(form);
      body.delete(input.name);
      body.append(input.name, blob, name);
      said.textContent = "正在送出…"; b.disabled = true;
      x.open("POST", form.action);
      x.timeout = 60000;
      x.onload = function () {
        b.disabled = false;
        var ok = x.status >= 200 && x.status < 300;
        said.textContent = ok ? "已送到。" : "没有送到，请再说一次，或者写几个字。";
        if (ok) d.dispatchEvent(new CustomEvent("voice:sent"));
      };
      x.onerror = x.ontimeout = function () { b.disabled = false; said.textContent = "网络不通，没有送到。请再说一次。"; };
      x.send(body);
    }
    // A short press records until the next press; a long one while it is held. Keys press too.
    var down = 0;
    b.addEventListener("pointerdown", function (e) {
      if (e.button) return;
      if (rec) { down = 0; return stop(); }
      down = Date.now(); held = true;
      try { b.setPointerCapture(e.pointerId); } catch (x) {}
      start();
    });
    function up() {
      if (!down) return;
      if (Date.now() - down > 600) stop(); else { held = false; if (rec) tick(); }
      down = 0;
    }
    b.addEventListener("pointerup", up);
    b.addEventListener("pointercancel", up);
    b.addEventListener("contextmenu", function (e) { e.preventDefault(); });
    b.addEventListener("keydown", function (e) {
      if (e.key !== "Enter" && e.key !== " ") return;
      e.preventDefault();
      if (e.repeat) return;
      if (rec) stop(); else { held = false; start(); }
    });
    again.addEventListener("click", function () {
      input.value = ""; sound.hidden = again.hidden = true; sound.removeAttribute("src"); said.textContent = ""; b.hidden = false; b.focus();
    });
  }
  [].forEach.call(d.querySelectorAll("[data-voice]"), make);
})();

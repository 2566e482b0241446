// Urgent help on the phone: hold for two seconds; then the position, and how things stand every three seconds while it is
// looked at. Without it: tap and confirm, and the page renews itself. Plain ES5 for old phones.
(function () {
  "use strict";
  var d = document, hold = d.getElementById("hold");
  if (hold) {
    var HOLD = +hold.getAttribute("data-length"), tell = d.getElementById("hold-said").textContent;
    var form = d.getElementById("press"), said = d.getElementById("hold-said"), began = 0, timer = 0, sent = false;
    hold.hidden = false;
    var end = function (text) {
      if (sent) return;
      clearInterval(timer); began = 0; hold.classList.remove("on"); said.textContent = text || tell;
    };
    var fire = function () {
      var phone = form.querySelector("[name=phone]");
      if (phone && phone.value.replace(/\D/g, "").length < 7) { end("请先填电话"); phone.focus(); return; }
      sent = true; clearInterval(timer); said.textContent = "正在求助…";
      var b = d.getElementById("confirm");
      if (form.requestSubmit) form.requestSubmit(b); else b.click();
    };
    var tick = function () {
      var left = HOLD - (Date.now() - began);
      if (left <= 0) return fire();
      said.textContent = "再按 " + Math.ceil(left / 1000) + " 秒";
    };
    var begin = function (e) {
      if (began || sent || e.button) return;
      if (e.pointerId !== undefined) try { hold.setPointerCapture(e.pointerId); } catch (x) {}
      began = Date.now(); hold.classList.add("on"); timer = setInterval(tick, 100); tick();
    };
    hold.addEventListener("pointerdown", begin);
    ["pointerup", "pointercancel"].forEach(function (n) { hold.addEventListener(n, function () { end(); }); });
    hold.addEventListener("contextmenu", function (e) { e.preventDefault(); });
    hold.addEventListener("keydown", function (e) { if (e.key === " " || e.key === "Enter") { e.preventDefault(); if (!e.repeat) begin(e); } });
    hold.addEventListener("keyup", function () { end(); });
    hold.addEventListener("blur", function () { end(); });
    addEventListener("pageshow", function (e) { if (e.persisted) { sent = false; end(); } });
  }

  var place = d.getElementById("place");
  function token() { try { return JSON.parse(d.body.getAttribute("hx-headers"))["X-CSRFToken"]; } catch (e) { return ""; } }
  function ask(method, url, body, done) {
    var x = new XMLHttpRequest();
    x.open(method, url); x.timeout = 15000;
    x.setRequestHeader("HX-Request", "true");
    if (body) { x.setRequestHeader("Content-Type", "application/x-www-form-urlencoded"); x.setRequestHeader("X-CSRFToken", token()); }
    x.onload = function () { done(x); };
    x.onerror = x.ontimeout = function () { done(null); };
    x.send(body || null);
  }
  var asking = false;
  function look() {
    var box = d.getElementById("now");
    if (!box || asking || d.hidden || box.dataset.open !== "1") return;
    asking = true;
    ask("GET", box.dataset.url, "", function (x) {
      asking = false;
      if (x && x.status === 200) put(x.responseText);
    });
  }
  function put(html) {
    var box = d.getElementById("now"), open = box.dataset.open;
    var fresh = new DOMParser().parseFromString(html, "text/html").getElementById("now");
    if (!fresh) return;
    fresh = d.adoptNode(fresh);
    if (!fresh.isEqualNode(box)) box.parentNode.replaceChild(fresh, box);
    if (open === "1" && fresh.dataset.open !== "1") location.reload(); // over: nothing more to send
  }
  if (d.getElementById("now")) {
    setInterval(look, 3000);
    d.addEventListener("visibilitychange", look);
    d.addEventListener("voice:sent", look);
  }
  if (place && navigator.geolocation) {
    place.textContent = "手机会问能不能用位置，请点允许；不允许也照样求助。";
    var best = 1e9, kept = navigator.geolocation.watchPosition(function (p) {
      var c = p.coords;
      if (c.accuracy >= best * 0.8) return;
      best = c.accuracy;
      ask("POST", place.dataset.url, "latitude=" + c.latitude + "&longitude=" + c.longitude + "&accuracy=" + Math.round(c.accuracy), function (x) {
        if (x && x.status === 200) put(x.responseText);
        place.textContent = "";
      });
      if (best < 50) navigator.geolocation.clearWatch(kept);
    }, function () { place.textContent = "没有取到位置，会按登记的住址找您，或打电话问。"; }, { enableHighAccuracy: true, timeout: 20000, maximumAge: 30000 });
    setTimeout(function () { navigator.geolocation.clearWatch(kept); }, 120000);
  }
})();

// Ticks at the door. Each is kept on this phone under a key of its own until the server has said that it has it, so that
// nothing is lost without network and nothing counts twice. Plain ES5 for old phones.
(function () {
  "use strict";
  var d = document, bar = d.getElementById("unsent");
  if (!bar) return;
  var url = bar.dataset.url, store = "check-in:" + bar.dataset.date + ":" + bar.dataset.who;
  var MOST = 50, WAITS = [2, 5, 10, 20, 30], LOOK = 30, board = d.getElementById("board");
  var queue = read(), told = "", sending = false, tries = 0, timer = 0, kept = true;
  function $(id) { return d.getElementById(id); }
  function each(list, act) { [].forEach.call(list, act); }
  function boxes() { return board.querySelectorAll('.roster input[name="came"]'); }
  function box(key) { return board.querySelector('.roster input[value="' + key + '"]'); }
  function toast(text) { $("toast").textContent = text; }
  function read() { try { return JSON.parse(localStorage.getItem(store)) || []; } catch (e) { return []; } }
  function keep() {
    try {
      if (queue.length) localStorage.setItem(store, JSON.stringify(queue)); else localStorage.removeItem(store);
      kept = true;
    } catch (e) { kept = false; }
  }
  function key() {
    var out = "", a = new Uint8Array(12);
    crypto.getRandomValues(a);
    each(a, function (n) { out += (n + 256).toString(16).slice(1); });
    return out;
  }

  function show() {
    var waits = {}, n = queue.length, text = "都存好了。", how = "";
    queue.forEach(function (t) { waits[t.p] = 1; });
    each(boxes(), function (b) { b.closest("li").classList.toggle("waits", b.value in waits); });
    $("came").textContent = board.querySelectorAll(".roster input:checked").length;
    if (n && told) { text = told + "有 " + n + " 个签到还没传，"; how = "wrong"; }
    else if (n && tries) { text = "没有网络。有 " + n + " 个签到还没传，"; how = "waits"; }
    else if (n) { text = "正在传 " + n + " 个签到，"; how = "waits"; }
    if (n) text += kept ? "已存在这部手机里，来网后打开这一页会自动传。" : "这部手机存不下，请不要关掉这一页。";
    bar.className = "unsent " + how;
    if (bar.textContent !== text) bar.textContent = text;
    if (told && n) {
      var a = d.createElement("a");
      a.href = bar.dataset.login; a.textContent = "重新登录";
      bar.appendChild(a);
    }
  }
  function note(person, came, how) {
    queue = queue.filter(function (t) { return t.p !== person || person[0] === "+"; });
    queue.push({ k: key(), p: person, c: came ? 1 : 0, v: how, t: Date.now() });
    keep(); show(); send();
  }

  function send() {
    if (sending) return;
    clearTimeout(timer);
    sending = true;
    var part = queue.slice(0, MOST), x = new XMLHttpRequest();
    var body = part.map(function (t) {
      var age = Math.max(0, Math.round((Date.now() - t.t) / 1000));
      return "tick=" + encodeURIComponent([t.k, t.p, t.c, age, t.v].join("|"));
    }).join("&");
    x.open(part.length ? "POST" : "GET", url); // nothing to send: only what colleagues have ticked meanwhile
    x.timeout = 15000;
    x.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    x.setRequestHeader("X-CSRFToken", JSON.parse(d.body.getAttribute("hx-headers"))["X-CSRFToken"]);
    x.onload = function () {
      var fresh = x.getResponseHeader("X-New-Token");
      if (fresh) d.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": fresh }));
      var isJson = /json/.test(x.getResponseHeader("Content-Type") || "");
      if (x.status === 200 && isJson) return done(JSON.parse(x.responseText));
      // Signed out: the answer is the page to sign in at, or a refusal.
      told = fresh || x.status >= 500 || x.status === 429 ? "" : "登录过期了，或这一场已经改动。";
      again();
    };
    x.onerror = x.ontimeout = function () { told = ""; again(); };
    x.send(part.length ? body : null);
  }
  function done(answer) {
    var over = {}, why;
    answer.applied.forEach(function (k) { over[k] = 1; });
    for (why in answer.refused) { over[why] = 1; toast(answer.refused[why]); }
    queue = queue.filter(function (t) { return !(t.k in over); });
    sending = false; tries = 0; told = "";
    keep(); draw(answer.rows); show();
    if (queue.length) send(); else timer = setTimeout(send, LOOK * 1000);
  }
  function again() {
    sending = false;
    timer = setTimeout(send, WAITS[Math.min(tries, WAITS.length - 1)] * 1000);
    tries += 1;
    show();
  }
  function draw(rows) {
    var mine = {};
    queue.forEach(function (t) { mine[t.p] = 1; });
    rows.forEach(function (r) {
      var b = box(r.key);
      if (!b) b = add(r);
      if (b && !(r.key in mine)) b.checked = r.came === true;
    });
  }
  function add(r) {
    var list = board.querySelector(".roster:last-of-type"), li = d.createElement("li"), label = d.createElement("label");
    if (!list) { location.reload(); return null; }
    [["input", ""], ["span", "name"], ["span", "tail num"]].forEach(function (p) {
      var e = label.appendChild(d.createElement(p[0]));
      e.className = p[1];
    });
    var b = label.firstChild;
    b.type = "checkbox"; b.name = "came"; b.value = r.key; b.dataset.tail = r.tail;
    label.children[1].appendChild(d.createElement("b")).textContent = r.name;
    label.children[2].textContent = r.tail;
    li.appendChild(label); list.appendChild(li);
    return b;
  }

  board.addEventListener("change", function (e) {
    if (e.target.name === "came") note(e.target.value, e.target.checked, "list");
  });
  each(board.querySelectorAll("form.sheet"), function (f) {
    f.addEventListener("submit", function (e) { e.preventDefault(); });
  });
  if ($("walk")) $("walk").addEventListener("submit", function (e) {
    var who = $("surname").value.replace(/\s/g, ""), tail = $("tail").value.replace(/\D/g, "");
    if (!/^1\d{10}$/.test(tail)) tail = tail.slice(-4);
    e.preventDefault(); e.stopPropagation();
    if (!/^[^\d|+]{1,2}$/.test(who) || tail.length < 4) { toast(this.dataset.sorry); return; }
    $("surname").value = $("tail").value = "";
    toast("记下了：" + who + "，尾号 " + tail.slice(-4));
    note("+" + who + tail, true, "tail");
    $("surname").focus();
  }, true);
  if ($("close")) $("close").addEventListener("submit", function (e) {
    if (!queue.length) return;
    e.preventDefault(); e.stopPropagation();
    toast("还有 " + queue.length + " 个签到没传完，传完再点“核对完成”。");
    send();
  }, true);
  $("seek").addEventListener("input", function () {
    var words = this.value.trim();
    each(boxes(), function (b) { b.closest("li").hidden = words !== "" && b.closest("li").textContent.indexOf(words) < 0; });
  });
  addEventListener("online", function () { tries = 0; send(); });
  addEventListener("beforeunload", function (e) { if (queue.length && !kept) { e.preventDefault(); e.returnValue = ""; } });

  // The camera, where the browser can read codes by itself.
  var reader = "BarcodeDetector" in window && new BarcodeDetector({ formats: ["qr_code"] }), last = "";
  function scanned(text) {
    var digits = (/(\d{7,16})\s*$/.exec(text) || [])[1], b = digits && board.querySelector('input[data-code="' + digits + '"]');
    if (!text || text === last) return;
    last = text;
    each(board.querySelectorAll(".named"), function (li) { li.classList.remove("named"); });
    if (!b) { $("scanned").textContent = "这个码不在这一场的名单上，请问问他报的是哪个活动。"; return; }
    var name = b.closest("li").querySelector("b").textContent;
    b.closest("li").classList.add("named");
    $("scanned").textContent = name + (b.checked ? " 已经签过到了。" : " 签到了。");
    if (!b.checked) { b.checked = true; note(b.value, true, "scan"); }
    if (navigator.vibrate) navigator.vibrate(80);
  }
  function look() {
    var v = $("view");
    if (v.hidden) return;
    reader.detect(v).then(function (found) { if (found[0]) scanned(found[0].rawValue); }, function () {})
      .then(function () { setTimeout(look, 250); });
  }
  if (reader) {
    $("scan").hidden = false;
    $("camera").addEventListener("click", function () {
      navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).then(function (stream) {
        var v = $("view");
        v.srcObject = stream; v.hidden = false; v.play(); look();
      }, function () { $("scanned").textContent = "相机打不开：请允许使用相机，或用“拍照识别”，也可以在名单上按尾号找。"; });
    });
    $("photo").addEventListener("change", function () {
      if (!this.files[0]) return;
      createImageBitmap(this.files[0]).then(function (picture) { return reader.detect(picture); }).then(function (found) {
        last = "";
        if (found[0]) scanned(found[0].rawValue); else $("scanned").textContent = "照片里没认出码，请靠近一点再拍。";
      }, function () { $("scanned").textContent = "这张照片打不开，请再拍一张。"; });
    });
  }

  // Opened again without network: the page as it was last seen (check_in_worker.js). Gone when one signs out.
  if ("serviceWorker" in navigator) navigator.serviceWorker.register(bar.dataset.worker).catch(function () {});
  each(d.querySelectorAll(".side-out"), function (f) {
    f.addEventListener("submit", function () { if (window.caches) caches.delete("check-in"); });
  });
  queue.forEach(function (t) { var b = box(t.p); if (b) b.checked = t.c === 1; });
  show(); send();
})();

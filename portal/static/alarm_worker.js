// Asks every two seconds what rings, in a thread of its own: timers of a hidden page fall to one a minute, this one's do
// not. Plain ES5 and fetch.
"use strict";
var token = "", stamp = "", sound = 0, visible = 1, asking = 0, POLL = 2000, RINGS = 1000, rings = 0, last = 0, HERE = 60000, PATIENCE = 8000;
function call(url, body, done) {
  var stop = self.AbortController ? new AbortController() : null, late = setTimeout(function () { if (stop) stop.abort(); }, PATIENCE);
  var how = { credentials: "same-origin", redirect: "manual", cache: "no-store", signal: stop ? stop.signal : undefined };
  if (body !== null) {
    how.method = "POST"; how.body = body;
    how.headers = { "Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": token };
  }
  fetch(url, how).then(function (r) {
    clearTimeout(late);
    var fresh = r.headers.get("X-New-Token");
    if (fresh) token = fresh;
    if (r.type === "opaqueredirect" || r.status === 401 || r.status === 403) { postMessage({ out: r.status !== 403 || !fresh }); return done(r, null); }
    if (r.status === 200) return r.json().then(function (j) { done(r, j); });
    done(r, null);
  }).catch(function () { clearTimeout(late); done(null, null); });
}
function poll() {
  var now = Date.now();
  if (asking && now - asking < PATIENCE || now - last < (rings ? RINGS : POLL) - 100) return;
  asking = last = now;
  call("/staff/alarms?v=" + stamp, null, function (r, found) {
    asking = 0;
    if (!r) return postMessage({ away: true });
    if (r.status === 204) { rings = 0; if (stamp) { stamp = ""; postMessage({ nothing: true }); } else postMessage({ there: true }); return; }
    if (!found) return postMessage(r.status >= 500 ? { away: true } : { there: true });
    if (found.same) return postMessage({ there: true });
    stamp = found.v; rings = found.rings.length;
    postMessage({ found: found });
  });
}
function here(more) { call("/staff/alarms/here", "sound=" + sound + "&visible=" + visible + (more || ""), function () {}); }
onmessage = function (e) {
  var m = e.data;
  if (m.token) token = m.token;
  if ("visible" in m) visible = m.visible;
  if ("sound" in m && m.sound !== sound) { sound = m.sound; if (m.begun) here(); }
  if (m.shown) call("/staff/alarms/shown", "sound=" + sound + m.shown, function () {});
  if ("tried" in m) here("&tried=" + m.tried);
  if (m.begin) { poll(); here(); setInterval(poll, RINGS / 2); setInterval(here, HERE); }
};

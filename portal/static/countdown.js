// When a code may be sent again: counts by the clock, so that a phone that slept is right. Without it the sentence of
// the moment when the page came stands there, and the server says no to whoever is too early.
(function () {
  "use strict";
  var said = document.getElementById("wait"), again = document.getElementById("again");
  var left = said ? +said.dataset.seconds : 0, end = Date.now() + left * 1000;
  function tick() {
    left = Math.ceil((end - Date.now()) / 1000);
    again.disabled = left > 0;
    if (left <= 120) said.textContent = left > 0 ? left + " 秒后可以重新发送" : "现在可以重新发送";
    if (left > 0) setTimeout(tick, 1000);
  }
  if (again && left > 0) tick();
})();

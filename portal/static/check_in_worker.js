// Rosters that were opened on this phone can be opened again without network, for half a day; then they are forgotten.
"use strict";
const KEPT = "check-in", LONGEST = 12 * 3600 * 1000, PATIENCE = 6000;

async function old(request) {
  const store = await caches.open(KEPT), found = await store.match(request, { ignoreVary: true });
  if (!found) return undefined;
  if (Date.now() - Date.parse(found.headers.get("Date") || 0) < LONGEST) return found;
  await store.delete(request);
  return undefined;
}
async function page(request) {
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), PATIENCE);
  try {
    const answer = await fetch(request.url, { signal: stop.signal, credentials: "same-origin" });
    const store = await caches.open(KEPT);
    if (answer.ok && !answer.redirected) await store.put(request, answer.clone()); else await store.delete(request);
    if (answer.redirected) return Response.redirect(answer.url);
    return answer;
  } catch (error) {
    return (await old(request)) || Response.error();
  } finally { clearTimeout(timer); }
}
async function asset(request) {
  try {
    const answer = await fetch(request);
    if (answer.ok) await (await caches.open(KEPT)).put(request, answer.clone());
    return answer;
  } catch (error) {
    return (await caches.match(request)) || Response.error();
  }
}
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const where = new URL(event.request.url);
  if (event.request.method !== "GET" || where.origin !== location.origin) return;
  if (event.request.mode === "navigate" && /^\/staff\/check-in\/\d+$/.test(where.pathname)) event.respondWith(page(event.request));
  else if (where.pathname.startsWith("/static/")) event.respondWith(asset(event.request));
});

// Keeps one view of the course on the reader's device, because the reader asked for it (offline.js), and answers from
// there. It lies in the view's folder, which is all that it may see. What it keeps has a version, that of offline.json:
// a newer one is taken only when a page asks, in full or not at all. Caches belong to the whole host, so their names
// begin with the folder's address. Texts are kept compressed.
const HOME = new URL("./", self.location).href,
  LIST = "offline.json",
  OURS = `downhill ${HOME} `,
  ZIPPED = "x-downhill-zipped",
  TEXT = /\.(html|js|css|svg|webmanifest)$/,
  LANES = 6;
let found = null, // the kept version, looked for once: a promise of { name, cache, list }, or of null
  busy = null;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// --- what is kept ---------------------------------------------------------------------------------------------------

/** The list of files is put into a cache last: a cache that has it is whole. */
async function find() {
  for (const name of (await caches.keys()).filter((each) => each.startsWith(OURS))) {
    const cache = await caches.open(name),
      list = await cache.match(HOME + LIST);
    if (list) return { name, cache, list: await list.json() };
  }
  return null;
}

const kept = () => (found ??= find());

async function drop(except) {
  const names = (await caches.keys()).filter((name) => name.startsWith(OURS) && name !== except);
  await Promise.all(names.map((name) => caches.delete(name)));
  found = null;
}

async function status() {
  const now = await kept();
  return { version: now?.list.version ?? null, files: now?.list.files ?? {}, bytes: now?.list.bytes ?? 0, busy: Boolean(busy) };
}

// --- keeping --------------------------------------------------------------------------------------------------------

class Trouble extends Error {}

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function fetched(path) {
  const response = await fetch(HOME + path, { cache: "no-cache" }).catch(() => null);
  if (!response) throw new Trouble("network");
  if (!response.ok || response.redirected) throw new Trouble("changed");
  return response;
}

/** A file from the host, if it is the one of the list: not another version, nor a hotel's page of welcome. */
async function taken(path, hash) {
  const response = await fetched(path),
    bytes = await response.arrayBuffer().catch(() => null);
  if (!bytes) throw new Trouble("network");
  if (!hex(await crypto.subtle.digest("SHA-256", bytes)).startsWith(hash)) throw new Trouble("changed");
  const headers = { "content-type": response.headers.get("content-type") ?? "" };
  if (!TEXT.test(path)) return new Response(bytes, { headers });
  const body = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(await new Response(body).arrayBuffer(), { headers: { ...headers, [ZIPPED]: "gzip" } });
}

async function keep(tell) {
  const list = await (await fetched(LIST)).json(),
    name = OURS + list.version,
    before = await kept();
  if (before?.name !== name) {
    const cache = await caches.open(name),
      waiting = Object.entries(list.files);
    let done = 0;
    const lane = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const [path, [hash, bytes]] = next,
          address = HOME + path;
        if (!(await cache.match(address))) { // else it was kept before the network broke down
          const same = before?.list.files[path]?.[0] === hash && (await before.cache.match(address));
          await cache.put(address, same || (await taken(path, hash)));
        }
        done += bytes;
        tell({ share: done / list.bytes });
      }
    };
    try {
      await Promise.all(Array.from({ length: LANES }, lane));
    } catch (error) {
      waiting.length = 0; // the other lanes end
      throw error;
    }
    await cache.put(HOME + LIST, new Response(JSON.stringify(list), { headers: { "content-type": "application/json" } }));
  }
  await drop(name);
}

async function asked(what, tell) {
  try {
    if (what === "keep") await (busy ??= keep(tell).finally(() => { busy = null; }));
    if (what === "forget") await drop();
    tell({ status: await status() });
  } catch (error) {
    tell({ trouble: error instanceof Trouble ? error.message : error.name === "QuotaExceededError" ? "room" : String(error) });
  }
}

self.addEventListener("message", (event) => {
  const [port] = event.ports;
  event.waitUntil(asked(event.data, (answer) => port.postMessage(answer)));
});

// --- reading --------------------------------------------------------------------------------------------------------

function opened(response) {
  if (!response.headers.has(ZIPPED)) return response;
  const body = response.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(body, { headers: { "content-type": response.headers.get("content-type") } });
}

async function answer(request, path) {
  const now = await kept(),
    own = now && Object.hasOwn(now.list.files, path) && (await now.cache.match(HOME + path));
  if (own) return opened(own);
  try {
    return await fetch(request);
  } catch (error) {
    if (!now || request.mode !== "navigate") throw error;
    const headers = { "content-type": "text/html; charset=utf-8" };
    return new Response(now.list.absent.replace("HOME", HOME), { status: 503, headers });
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event,
    address = request.url.split(/[?#]/)[0];
  if (request.method !== "GET" || !address.startsWith(HOME)) return;
  const path = address.slice(HOME.length);
  if (path !== LIST) event.respondWith(answer(request, path === "" || path.endsWith("/") ? `${path}index.html` : path));
});

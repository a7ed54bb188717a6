// "Keep for reading offline", at a page's end: the reader's language is kept on the device, and a newer version of it is
// offered when there is one. Nobody who did not press the button has a worker. From a disk nothing of this is there.
(function () {
  const row = document.querySelector(".page-tools .keep");
  if (!row || !/^https?:$/.test(location.protocol)) return;
  const view = document.querySelector(".view-both") ? "both" : document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const cut = (words) => (view === "both" ? words : words.split(" · ")[view === "en" ? 0 : 1]);
  const root = new URL(row.dataset.root, location.href);
  const megabytes = (bytes) => `${Math.max(bytes / 1e6, 0.1).toFixed(bytes < 9.5e5 ? 1 : 0)} MB`;

  document.head.append(Object.assign(document.createElement("link"), { rel: "manifest", href: new URL("site.webmanifest", root).href }));
  if (!navigator.serviceWorker || !window.CompressionStream) return; // not a secure address, or an old browser

  const TROUBLES = {
    network: "The network broke down. What is here already stays: press again later. · 网络断了。已下载的部分还在，稍后再按一次即可。",
    changed: "The site is being changed just now: press again in some minutes. · 网站正在更新，过几分钟再按一次。",
    room: "There is not enough room on this device. · 设备空间不足。",
    refused: "This browser does not let pages be kept, as in a private window. · 浏览器不允许保存网页，例如无痕窗口。",
  };
  const [button, told] = ["button", "[role=status]"].map((selector) => row.querySelector(selector));
  const offer = button.innerHTML;
  const tell = (words) => { told.textContent = words; };
  let now = null; // what is kept, as the worker says

  /** Asks the worker; `hear` is told how far it has come. A promise of its last word. */
  function ask(worker, what, hear) {
    return new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        if (data.share !== undefined) { hear?.(data.share); return; }
        port1.close(); // what is still on its way there is no news any more
        if (data.trouble) reject(new Error(data.trouble));
        else resolve(data.status);
      };
      worker.postMessage(what, [port2]);
    });
  }

  const mine = async () => {
    const found = await navigator.serviceWorker.getRegistration(root);
    return found?.scope === root.href ? found : null; // not another worker's, further up on the same host
  };

  function show() {
    if (now?.version) {
      button.textContent = cut("Remove from this device · 从本机删除");
      tell(cut(`Kept on this device, ${megabytes(now.bytes)}. · 已存在本机，${megabytes(now.bytes)}。`));
    } else {
      button.innerHTML = offer;
      tell("");
    }
    button.disabled = false;
    row.hidden = false;
  }

  async function keep(says) {
    navigator.storage?.persist?.().catch(() => {}); // so that the browser does not clear it away when room is short
    const registration = await navigator.serviceWorker.register(new URL("offline-worker.js", root), { scope: root.href });
    const worker = registration.active ?? (await navigator.serviceWorker.ready).active;
    now = await ask(worker, "keep", (share) => says(cut(`Keeping … ${Math.floor(100 * share)}% · 正在保存…… ${Math.floor(100 * share)}%`)));
  }

  async function forget() {
    const registration = await mine();
    now = await ask(registration.active, "forget");
    await registration.unregister();
  }

  const why = (error) => cut(TROUBLES[error.name === "SecurityError" ? "refused" : error.message] ?? `${error.message} · ${error.message}`);

  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await (now?.version ? forget() : keep(tell));
      show();
    } catch (error) {
      button.disabled = false;
      tell(why(error));
    }
  });

  // --- a newer version is offered, never forced

  const LATER = "downhill-offline-later";
  const storage = (use) => { try { return use(localStorage); } catch { return null; } };

  function bar(list) {
    const less = Object.entries(list.files).filter(([path, [hash]]) => now.files[path]?.[0] !== hash);
    const size = megabytes(less.reduce((sum, [, [, bytes]]) => sum + bytes, 0));
    const box = Object.assign(document.createElement("div"), { className: "offline-bar" });
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", cut("A new version · 新版本"));
    const words = document.createElement("span");
    words.setAttribute("role", "status");
    words.textContent = cut("You read the copy on this device; there is a newer one. · 你读的是本机保存的一版，网站上有更新的。");
    const press = (label, act) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: cut(label) });
      made.addEventListener("click", () => act(made));
      return made;
    };
    const close = () => box.remove();
    const take = press(`Take it, ${size} · 更新，${size}`, async () => {
      take.disabled = later.disabled = true;
      try {
        await keep((text) => { words.textContent = text; });
        words.textContent = cut("The new version is here. · 新版本已存好。");
        take.replaceWith(press("Show it · 刷新页面", () => location.reload()));
        later.replaceWith(press("Not now · 先不刷新", close));
        show();
      } catch (error) {
        words.textContent = why(error);
        take.disabled = later.disabled = false;
      }
    });
    const later = press("Later · 以后再说", () => { storage((box) => box.setItem(LATER, list.version)); close(); });
    box.append(words, take, later);
    document.body.append(box);
  }

  async function look() {
    const registration = await mine();
    if (registration?.active) now = await ask(registration.active, "status");
    show();
    if (!now?.version) return;
    const list = await fetch(new URL("offline.json", root), { cache: "no-cache" }).then((answer) => (answer.ok ? answer.json() : null), () => null);
    if (list && list.version !== now.version && storage((box) => box.getItem(LATER)) !== list.version) bar(list);
  }

  look().catch(() => {}); // a browser that forbids storage offers nothing
})();

// Puts the explorer where the page holds a mount point. Its module is only loaded when one of them comes into view; a
// classic script, because a page opened from disk may load no modules.
(() => {
  const here = document.currentScript.src;
  const asset = (name) => new URL(name, here).href;
  let loading = null;

  function load() {
    loading ??= new Promise((resolve, reject) => {
      const style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = asset("explorer.css");
      const script = document.createElement("script");
      script.src = asset("explorer.js");
      script.onload = () => resolve(window.downhillExplorer);
      script.onerror = () => reject(new Error("explorer.js"));
      document.head.append(style, script);
    });
    return loading;
  }

  // The figure's picture gives way; its caption stays.
  const home = (point) => point.closest("figure") ?? point.parentElement;

  function seat(point) {
    const el = document.createElement("div");
    el.className = "downhill-explorer";
    point.after(el);
    const image = home(point).querySelector("img");
    return { el, picture: image?.closest("picture, a") ?? image };
  }

  async function begin(point, index, link) {
    const given = JSON.parse(point.dataset.downhillExplorer);
    const explorer = await load();
    const { el, picture } = seat(point);
    const page = location.href.split("#")[0];
    await explorer.mount(el, given, { link, address: (state) => `${page}#explorer=${index}.${state}` });
    if (picture) picture.style.display = "none";
    point.dataset.mounted = "";
    el.dispatchEvent(new CustomEvent("downhill-mounted", { bubbles: true, detail: given }));
    return el;
  }

  function start() {
    const points = [...document.querySelectorAll("[data-downhill-explorer]")];
    const linked = /^#explorer=(\d+)\.(.*)$/.exec(location.hash);
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          seen.unobserve(target);
          begin(target.point, target.number, target.link).catch(() => {}); // then the picture stays
        }
      },
      { rootMargin: "200px" },
    );
    points.forEach((point, index) => {
      const link = linked && +linked[1] === index ? linked[2] : undefined;
      if (link !== undefined) {
        begin(point, index, link)
          .then((el) => el.scrollIntoView({ block: "center" }))
          .catch(() => {});
        return;
      }
      // The mount point itself takes no room: what is watched is the picture beside it.
      const watched = home(point).querySelector("img") ?? home(point);
      Object.assign(watched, { point, number: index });
      // A figure that a page begins with waits until the page itself is there.
      if (watched.matches(".first-seen") && document.readyState !== "complete")
        addEventListener("load", () => setTimeout(() => seen.observe(watched), 200));
      else seen.observe(watched);
    });
  }

  // A link pasted into the page that it leads to
  addEventListener("hashchange", () => {
    if (/^#explorer=/.test(location.hash)) location.reload();
  });

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();

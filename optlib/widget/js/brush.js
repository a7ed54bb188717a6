/** Draws on a canvas; `Svg` has the same few methods and writes a file. Coordinates are CSS pixels. */
export class Brush {
  constructor(context) {
    this.c = context;
  }
  clip(x, y, w, h) {
    const { c } = this;
    c.save();
    c.beginPath();
    c.rect(x, y, w, h);
    c.clip();
  }
  open() {
    this.c.restore();
  }
  style({ stroke, width = 1, dash, alpha = 1, fill }) {
    const { c } = this;
    c.globalAlpha = alpha;
    c.lineWidth = width;
    c.setLineDash(dash ? dash.map((x) => x * width) : []);
    c.lineJoin = "round";
    if (stroke) c.strokeStyle = stroke;
    if (fill) c.fillStyle = fill;
  }
  /** Lines through flat coordinates; NaN lifts the pen. */
  line(xy, style) {
    const { c } = this;
    this.style(style);
    c.beginPath();
    let down = false;
    for (let i = 0; i < xy.length; i += 2) {
      const x = xy[i],
        y = xy[i + 1];
      if (Number.isNaN(x) || Number.isNaN(y)) {
        down = false;
        continue;
      }
      if (down) c.lineTo(x, y);
      else {
        c.moveTo(x, y);
        down = true;
      }
    }
    if (style.fill) c.fill();
    if (style.stroke) c.stroke();
    c.globalAlpha = 1;
  }
  dots(xy, radius, style) {
    const { c } = this;
    this.style(style);
    c.beginPath();
    for (let i = 0; i < xy.length; i += 2) {
      c.moveTo(xy[i] + radius, xy[i + 1]);
      c.arc(xy[i], xy[i + 1], radius, 0, 2 * Math.PI);
    }
    if (style.fill) c.fill();
    if (style.stroke) c.stroke();
    c.globalAlpha = 1;
  }
  text(x, y, words, { fill, size = 12, align = "center", halo, bold }) {
    const { c } = this;
    c.font = `${bold ? "600 " : ""}${size}px system-ui, sans-serif`;
    c.textAlign = align;
    c.textBaseline = "middle";
    if (halo) {
      this.style({ stroke: halo, width: 3.5 });
      c.strokeText(words, x, y);
    }
    c.fillStyle = fill;
    c.fillText(words, x, y);
  }
  /** How wide words are, in pixels. */
  wide(words, size) {
    this.c.font = `600 ${size}px system-ui, sans-serif`;
    return this.c.measureText(words).width;
  }
  image(canvas, x, y, w, h, smooth = true) {
    this.c.imageSmoothingEnabled = smooth;
    this.c.drawImage(canvas, x, y, w, h);
  }
}

export class Svg {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.parts = [];
    this.clips = 0;
  }
  clip(x, y, w, h) {
    this.clips++;
    this.parts.push(
      `<clipPath id="c${this.clips}"><rect x="${x}" y="${y}" width="${w}" height="${h}"/></clipPath>`,
      `<g clip-path="url(#c${this.clips})">`,
    );
  }
  open() {
    this.parts.push("</g>");
  }
  attributes({ stroke, width = 1, dash, alpha = 1, fill }) {
    const parts = [`fill="${fill ?? "none"}"`];
    if (stroke) parts.push(`stroke="${stroke}" stroke-width="${width}" stroke-linejoin="round"`);
    if (dash) parts.push(`stroke-dasharray="${dash.map((x) => x * width).join(" ")}"`);
    if (alpha < 1) parts.push(`opacity="${alpha}"`);
    return parts.join(" ");
  }
  line(xy, style) {
    let d = "",
      down = false;
    for (let i = 0; i < xy.length; i += 2) {
      if (!Number.isFinite(xy[i]) || !Number.isFinite(xy[i + 1])) {
        down = false;
        continue;
      }
      d += `${down ? "L" : "M"}${xy[i].toFixed(2)} ${xy[i + 1].toFixed(2)}`;
      down = true;
    }
    if (d) this.parts.push(`<path d="${d}" ${this.attributes(style)}/>`);
  }
  dots(xy, radius, style) {
    for (let i = 0; i < xy.length; i += 2) {
      if (Number.isFinite(xy[i] + xy[i + 1]))
        this.parts.push(
          `<circle cx="${xy[i].toFixed(2)}" cy="${xy[i + 1].toFixed(2)}" r="${radius}" ${this.attributes(style)}/>`,
        );
    }
  }
  text(x, y, words, { fill, size = 12, align = "center", halo, bold }) {
    const anchor = { center: "middle", left: "start", right: "end" }[align];
    const escaped = words.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
    const font = `font-size="${size}" font-family="system-ui, sans-serif"${bold ? ' font-weight="600"' : ""}`;
    const around = halo ? ` stroke="${halo}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke"` : "";
    const at = `x="${x}" y="${y + size * 0.35}" text-anchor="${anchor}"`;
    this.parts.push(`<text ${at} fill="${fill}" ${font}${around}>${escaped}</text>`);
  }
  wide(words, size) {
    return [...words].reduce((sum, c) => sum + (c > "\u2e80" ? 1 : 0.6) * size, 0);
  }
  image(canvas, x, y, w, h) {
    this.parts.push(
      `<image x="${x}" y="${y}" width="${w}" height="${h}" preserveAspectRatio="none" href="${canvas.toDataURL()}"/>`,
    );
  }
  toString() {
    const { width, height } = this;
    const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${this.parts.join("\n")}</svg>\n`;
  }
}

export function fit(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 3),
    [w, hh] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== hh) {
    canvas.width = w;
    canvas.height = hh;
  }
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

export function wipe(canvas, width, height) {
  const context = canvas.getContext("2d"),
    ratio = canvas.width / width;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** A CSS colour as #rrggbb. */
export function hexOf(colour) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = colour;
  return context.fillStyle;
}

export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

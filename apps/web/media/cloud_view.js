// A point cloud that can be turned: drawn point by point into pixels with a depth of their own, so
// it needs no graphics card.

import { h, iconButton } from "../dom.js";
import { makeCanvas, quantiles, shade } from "./canvas.js";
import { readPoints } from "./point_files.js";

export async function cloudView(blob, { name, height, label, full }) {
  const cloud = placed(readPoints(await blob.arrayBuffer(), name));
  const note = `${cloud.total.toLocaleString("en")} points${cloud.coloured ? "" : ", without colours"}`;
  const view = new CloudView(cloud, Math.round(height * (full ? 1.5 : 1.25)), height, label);
  if (!full) return { element: view.canvas, note };
  const turn = iconButton("again", "Which axis points up", () => view.changeUp());
  return { element: h("div", { class: "cloud" }, view.interactive(), turn), note };
}

// Around the origin, inside the unit ball, with a colour for every point.
function placed({ positions, colours, total }) {
  const count = positions.length / 3, shifted = new Float32Array(positions.length);
  const middle = [0, 1, 2].map((axis) => {
    const [low, high] = quantiles(positions.filter((_, i) => i % 3 === axis), [0.005, 0.995]);
    return (low + high) / 2;
  });
  for (let i = 0; i < positions.length; i += 1) shifted[i] = positions[i] - middle[i % 3];
  const radii = Float32Array.from({ length: count }, (_, i) => Math.hypot(...shifted.subarray(3 * i, 3 * i + 3)));
  // A few stray points far away do not make the rest a dot.
  const [radius] = quantiles(radii, [0.995]);
  for (let i = 0; i < shifted.length; i += 1) shifted[i] /= radius || 1;
  const bytes = new Uint8ClampedArray(4 * count);
  for (let i = 0; i < count; i += 1) {
    if (colours) for (let c = 0; c < 3; c += 1) bytes[4 * i + c] = Math.round(255 * colours[3 * i + c]);
    else shade(shifted[3 * i + 2] / 2 + 0.5, bytes, 4 * i);
  }
  return { positions: shifted, colours: bytes, count, total, coloured: colours !== null };
}

const kEye = 3.2;  // from the middle of the cloud, whose radius is 1
const kSmallest = 0.2, kLargest = 12;  // zoom

class CloudView {
  constructor(cloud, width, height, label) {
    const { canvas, context } = makeCanvas(width, height, label);
    Object.assign(this, { cloud, canvas, context, yaw: -0.5, pitch: 0.45, zoom: 1, up: 2 });
    this.depths = new Float32Array(canvas.width * canvas.height);
    this.fit();
    this.draw();
  }

  // As large as the frame allows, from where it is first seen.
  fit() {
    const { cloud, canvas } = this, project = this.projection();
    let across = 1e-6, high = 1e-6;
    for (let i = 0; i < cloud.count; i += 1) {
      const [x, y] = project(i);
      across = Math.max(across, Math.abs(x - canvas.width / 2));
      high = Math.max(high, Math.abs(y - canvas.height / 2));
    }
    const kMargin = 0.92;
    this.zoom *= kMargin / 2 * Math.min(canvas.width / across, canvas.height / high);
    this.zoom = Math.max(kSmallest, Math.min(kLargest, this.zoom));
  }

  interactive() {
    const { canvas } = this;
    canvas.tabIndex = 0;
    canvas.setAttribute("aria-label", canvas.getAttribute("aria-label") +
                        ". Arrow keys turn it, plus and minus change its size.");
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.turn(event.movementX * 0.01, event.movementY * 0.01);
    });
    canvas.addEventListener("wheel", (event) => {
      // The page scrolls on unless the cloud was chosen first.
      if (document.activeElement !== canvas) return;
      event.preventDefault();
      this.enlarge(Math.exp(-event.deltaY * 0.001));
    }, { passive: false });
    const keys = {
      ArrowLeft: () => this.turn(-0.12, 0), ArrowRight: () => this.turn(0.12, 0),
      ArrowUp: () => this.turn(0, -0.12), ArrowDown: () => this.turn(0, 0.12),
      "+": () => this.enlarge(1.15), "=": () => this.enlarge(1.15), "-": () => this.enlarge(1 / 1.15),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      keys[event.key]();
    });
    return canvas;
  }

  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.max(-1.55, Math.min(1.55, this.pitch + pitch));
    this.later();
  }

  enlarge(factor) {
    this.zoom = Math.max(kSmallest, Math.min(kLargest, this.zoom * factor));
    this.later();
  }

  changeUp() {
    this.up = (this.up + 1) % 3;
    this.later();
  }

  later() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = undefined;
      this.draw();
    });
  }

  // Point i on the canvas: its place in pixels, and how near it is.
  projection() {
    const { positions } = this.cloud, { width, height } = this.canvas;
    // The axis that points up, and the two others in their cyclic order.
    const u = this.up, a = (u + 1) % 3, b = (u + 2) % 3;
    const [sy, cy, sp, cp] = [Math.sin(this.yaw), Math.cos(this.yaw), Math.sin(this.pitch), Math.cos(this.pitch)];
    const scale = this.scale(), place = [0, 0, 0];
    return (i) => {
      const x = positions[3 * i + a], y = positions[3 * i + b], z = positions[3 * i + u];
      const across = x * cy - y * sy, away = x * sy + y * cy;
      const near = -away * cp + z * sp, high = away * sp + z * cp;
      const perspective = scale * kEye / Math.max(0.05, kEye - near);
      place[0] = width / 2 + across * perspective;
      place[1] = height / 2 - high * perspective;
      place[2] = near;
      return place;
    };
  }

  scale() {
    return this.zoom * Math.min(this.canvas.width, this.canvas.height) / 2;
  }

  draw() {
    const { cloud, canvas, context, depths } = this, { width, height } = canvas;
    const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    const colours = new Uint32Array(cloud.colours.buffer);
    depths.fill(-Infinity);
    // Points as wide as the gaps between as many of them on a square of the cloud's size.
    const size = Math.max(1, Math.round(this.scale() * 1.9 / Math.sqrt(cloud.count)));
    const project = this.projection();
    for (let i = 0; i < cloud.count; i += 1) {
      const [x, y, near] = project(i);
      const left = Math.round(x - size / 2), top = Math.round(y - size / 2);
      for (let row = Math.max(0, top); row < Math.min(height, top + size); row += 1) {
        for (let column = Math.max(0, left); column < Math.min(width, left + size); column += 1) {
          const at = row * width + column;
          if (depths[at] >= near) continue;
          depths[at] = near;
          pixels[at] = colours[i] | 0xff000000;
        }
      }
    }
    context.putImageData(image, 0, 0);
  }
}

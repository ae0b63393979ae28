// What of a picture a model gets to see: the padding, the crop, the tiles. Pure.

const kGrids = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]];  // LLaVA 1.6

// {mode: "pad" | "crop" | "anyres", size: pixels or 0 where unknown, grids}
export function preparationOf(model) {
  if (model.image) return { size: 0, grids: kGrids, ...model.image };
  if (model.family !== "llava") return { mode: "crop", size: 0, grids: [] };
  const next = /1\.6|next/i.test(model.id);
  return { mode: next ? "anyres" : "pad", size: 0, grids: kGrids };
}

// Of a picture of width × height: the frame it is shown in, where in the frame the picture lies,
// which part of the frame the model sees, and how many tiles that is cut into.
export function layoutOf({ mode, grids }, width, height) {
  if (mode === "pad") {
    const side = Math.max(width, height);
    return {
      frame: [side, side], picture: [Math.floor((side - width) / 2), Math.floor((side - height) / 2), width, height],
      seen: [0, 0, side, side], tiles: [1, 1],
    };
  }
  if (mode === "anyres") {
    const [gridWidth, gridHeight] = bestGrid([width, height], grids);
    const scale = Math.min(gridWidth / width, gridHeight / height);
    const [w, h] = [Math.min(gridWidth, Math.ceil(width * scale)), Math.min(gridHeight, Math.ceil(height * scale))];
    const tile = Math.min(...grids.flat());
    return {
      frame: [gridWidth, gridHeight], picture: [Math.floor((gridWidth - w) / 2), Math.floor((gridHeight - h) / 2), w, h],
      seen: [0, 0, gridWidth, gridHeight], tiles: [Math.round(gridWidth / tile), Math.round(gridHeight / tile)],
    };
  }
  const side = Math.min(width, height);
  return {
    frame: [width, height], picture: [0, 0, width, height],
    seen: [Math.round((width - side) / 2), Math.round((height - side) / 2), side, side], tiles: [1, 1],
  };
}

// The grid that keeps most pixels, then the one with least padding, then the first.
export function bestGrid([width, height], grids) {
  let best = null;
  for (const grid of grids) {
    const scale = Math.min(grid[0] / width, grid[1] / height);
    const area = Math.trunc(width * scale) * Math.trunc(height * scale);
    const kept = Math.min(area, width * height), wasted = grid[0] * grid[1] - kept;
    if (!best || kept > best.kept || (kept === best.kept && wasted < best.wasted)) best = { grid, kept, wasted };
  }
  return best.grid;
}

export function describePreparation(preparation, width, height) {
  const layout = layoutOf(preparation, width, height);
  const to = preparation.size ? ` to ${preparation.size} × ${preparation.size}` : "";
  if (preparation.mode === "anyres")
    return `${layout.tiles[0]} × ${layout.tiles[1]} tiles and the whole`;
  if (width === height) return preparation.size ? `resized${to}` : "seen whole";
  return preparation.mode === "pad" ? `padded${to || " to a square"}` : `the middle square${to && ", resized" + to}`;
}

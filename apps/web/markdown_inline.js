// Words of a line of Markdown as a tree: emphasis, code, links. Pure; time grows with the length.

const kPunctuation = /[!-/:-@[-`{-~]/;
const kBareAddress = /https?:\/\/[^\s<>"'`|\\^{}]{1,2000}/y;
const kAngleAddress = /<(https?:\/\/[^\s<>]{1,2000}|mailto:[^\s<>]{1,300})>/y;
const kTarget = /\(\s*(<[^<>\n]{0,2000}>|(?:[^\s()\\]|\\.|\([^\s()]{0,500}\)){0,2000})(?:\s+(?:"[^"\n]{0,500}"|'[^'\n]{0,500}'))?\s*\)/y;

// How many openers without a partner may stand between two that belong together.
const kReach = 32;

// Nodes: {type: "text", text}, {type: "code", text}, {type: "break"},
// {type: "strong" | "emphasis" | "strike", children}, {type: "link", address, children}.
export function parseInline(text) {
  const nodes = [];
  const brackets = [];  // places in `nodes` of "[" and "![" that may begin a link
  let plain = "";
  const flush = () => {
    if (plain) nodes.push({ type: "text", text: plain });
    plain = "";
  };
  const push = (node) => {
    flush();
    nodes.push(node);
  };
  const runs = runsOfBackticks(text);
  for (let i = 0; i < text.length;) {
    const c = text[i];
    if (c === "\\" && i + 1 < text.length) {
      if (text[i + 1] === "\n") push({ type: "break" });
      else plain += kPunctuation.test(text[i + 1]) ? text[i + 1] : "\\" + text[i + 1];
      i += 2;
    } else if (c === "\n") {
      push({ type: "break" });
      i += 1;
    } else if (c === "`") {
      const length = runLength(text, i);
      const end = runs.next(length, i + length);
      if (end < 0) {
        plain += "`".repeat(length);
        i += length;
      } else {
        push({ type: "code", text: codeText(text.slice(i + length, end)) });
        i = end + length;
      }
    } else if (c === "*" || c === "_" || c === "~") {
      const run = delimiter(text, i);
      if (c === "~" && run.count !== 2) plain += c.repeat(run.count);
      else push(run);
      i += run.count;
    } else if (c === "[" || (c === "!" && text[i + 1] === "[")) {
      const literal = c === "[" ? "[" : "![";
      push({ type: "text", text: literal });
      brackets.push(nodes.length - 1);
      i += literal.length;
    } else if (c === "]") {
      const target = match(kTarget, text, i + 1);
      const opener = brackets.pop();
      if (opener === undefined || !target) {
        plain += c;
        i += 1;
        continue;
      }
      flush();
      const children = nest(nodes.splice(opener + 1));
      const isImage = nodes[opener].text === "![";
      nodes[opener] = linkOf(target[1], children, isImage);
      // There are no links in links.
      if (!isImage) brackets.length = 0;
      i += 1 + target[0].length;
    } else if (c === "<" && match(kAngleAddress, text, i)) {
      const found = match(kAngleAddress, text, i);
      push({ type: "link", address: found[1], children: [{ type: "text", text: found[1].replace(/^mailto:/, "") }] });
      i += found[0].length;
    } else if (c === "h" && !/\w/.test(text[i - 1] ?? " ") && brackets.length === 0 && match(kBareAddress, text, i)) {
      const address = withoutEnd(match(kBareAddress, text, i)[0]);
      push({ type: "link", address, children: [{ type: "text", text: address }] });
      i += address.length;
    } else {
      plain += c;
      i += 1;
    }
  }
  flush();
  return nest(nodes);
}

// Addresses that a page may lead to; others are shown as the text they are.
export function safeAddress(address) {
  const trimmed = address.trim();
  return /^(https?:\/\/|mailto:)/i.test(trimmed) ? trimmed : null;
}

function linkOf(target, children, isImage) {
  const raw = target.startsWith("<") ? target.slice(1, -1) : target;
  const address = safeAddress(raw.replace(/\\([!-/:-@[-`{-~])/g, "$1"));
  // Pictures of elsewhere are not fetched: the page would tell their server that it was read.
  if (isImage && children.length === 0) children = [{ type: "text", text: raw }];
  return address ? { type: "link", address, children } : { type: "group", children };
}

function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function runLength(text, at) {
  let end = at;
  while (text[end] === text[at]) end += 1;
  return end - at;
}

// Where the next run of exactly so many backticks begins; each list is walked once.
function runsOfBackticks(text) {
  const starts = new Map();
  for (const run of text.matchAll(/`+/g)) {
    if (!starts.has(run[0].length)) starts.set(run[0].length, { places: [], at: 0 });
    starts.get(run[0].length).places.push(run.index);
  }
  return {
    next(length, from) {
      const list = starts.get(length);
      while (list.at < list.places.length && list.places[list.at] < from) list.at += 1;
      return list.at < list.places.length ? list.places[list.at] : -1;
    },
  };
}

function codeText(text) {
  const line = text.replaceAll("\n", " ");
  return /^ .*[^ ].* $/.test(line) ? line.slice(1, -1) : line;
}

// Sentence marks behind an address do not belong to it; a closing bracket does if it was opened.
function withoutEnd(address) {
  let end = address.length;
  for (;;) {
    const last = address[end - 1];
    const opened = (sign) => address.slice(0, end).split(sign).length;
    if (/[.,:;!?*_~]/.test(last) || (last === ")" && opened(")") > opened("(")) || last === "]") end -= 1;
    else return address.slice(0, end);
  }
}

// A run of * _ or ~ and whether it may open or close emphasis, by what stands beside it.
function delimiter(text, at) {
  const count = runLength(text, at);
  const before = text[at - 1] ?? " ", after = text[at + count] ?? " ";
  const isSpace = (c) => /\s/.test(c);
  const isMark = (c) => /[\p{P}\p{S}]/u.test(c);
  const left = !isSpace(after) && (!isMark(after) || isSpace(before) || isMark(before));
  const right = !isSpace(before) && (!isMark(before) || isSpace(after) || isMark(after));
  const inWord = text[at] === "_";
  return {
    type: "delimiter", sign: text[at], count, length: count,
    canOpen: left && (!inWord || !right || isMark(before)),
    canClose: right && (!inWord || !left || isMark(after)),
  };
}

// Delimiters become the tree they stand for; those without a partner become text.
function nest(nodes) {
  const frames = [{ opener: null, children: [] }];
  const open = { "*": 0, "_": 0, "~": 0 };
  const top = () => frames[frames.length - 1];
  // Openers above `depth` have no partner. All at once: one by one, each would carry the children of
  // those above it along.
  const abandonAbove = (depth) => {
    const target = frames[depth].children;
    for (const { opener, children } of frames.splice(depth + 1)) {
      open[opener.sign] -= 1;
      target.push({ type: "text", text: opener.sign.repeat(opener.count) });
      for (const child of children) target.push(child);
    }
  };
  const fits = (opener, closer) => opener.sign === closer.sign &&
    !((opener.canClose || closer.canOpen) && (opener.length + closer.length) % 3 === 0 &&
      (opener.length % 3 !== 0 || closer.length % 3 !== 0));
  for (const node of nodes) {
    if (node.type !== "delimiter") {
      top().children.push(node);
      continue;
    }
    while (node.count > 0 && node.canClose && open[node.sign] > 0) {
      let depth = frames.length - 1;
      const last = Math.max(0, depth - kReach);
      while (depth > last && !fits(frames[depth].opener, node)) depth -= 1;
      if (depth === last) break;
      abandonAbove(depth);
      const frame = frames.pop();
      const used = Math.min(2, frame.opener.count, node.count);
      const type = node.sign === "~" ? "strike" : used === 2 ? "strong" : "emphasis";
      frame.opener.count -= used;
      node.count -= used;
      const wrapped = { type, children: frame.children };
      if (frame.opener.count > 0) {
        frames.push({ opener: frame.opener, children: [wrapped] });
      } else {
        open[node.sign] -= 1;
        top().children.push(wrapped);
      }
    }
    if (node.count === 0) continue;
    if (node.canOpen) {
      open[node.sign] += 1;
      frames.push({ opener: node, children: [] });
    } else {
      top().children.push({ type: "text", text: node.sign.repeat(node.count) });
    }
  }
  abandonAbove(0);
  return frames[0].children;
}

// The kinds of media: their names in requests, the files they come in, and how a file is taken for
// one of them. Pure.

// `lasting`: has a beginning and an end that may be cut.
export const kKinds = {
  image: { label: "Picture", icon: "image", extensions: ["png", "jpg", "jpeg", "webp", "gif", "bmp"] },
  video: { label: "Video", icon: "video", lasting: true, extensions: ["mp4", "webm", "mkv", "mov", "avi", "ts", "gif"] },
  audio: { label: "Sound", icon: "audio", lasting: true, extensions: ["wav", "flac", "mp3", "ogg", "opus", "m4a"] },
  points: { label: "Point cloud", icon: "points", extensions: ["ply", "pcd", "npy", "bin", "csv", "txt"] },
  depth: { label: "Depth map", icon: "depth", needsPicture: true, extensions: ["png", "npy", "exr"] },
  normal: { label: "Normal map", icon: "normal", needsPicture: true, extensions: ["png", "npy", "exr"] },
  imu: { label: "Motion", icon: "imu", lasting: true, extensions: ["csv", "npy"] },
  fmri: { label: "Brain activity", icon: "fmri", extensions: ["npy", "nii", "nii.gz"] },
};

// Kinds that a model names and this page does not know are sent as files without a preview.
export function kindInfo(kind) {
  return kKinds[kind] ?? { label: kind, icon: "file", extensions: [] };
}

export function extensionOf(name) {
  const lower = name.toLowerCase();
  return lower.endsWith(".nii.gz") ? "nii.gz" : lower.slice(lower.lastIndexOf(".") + 1);
}

// Kinds of `modalities` that a file of this name and type could be, the likeliest first. `shape` is
// that of a .npy file where it is known. Files of unknown endings could be anything.
export function likelyKinds({ name, type = "" }, modalities, shape = null) {
  const extension = extensionOf(name);
  const possible = modalities.filter((kind) => kindInfo(kind).extensions.includes(extension) ||
                                               type.startsWith(kind + "/"));
  const candidates = possible.length > 0 ? possible : modalities;
  const score = (kind) => scoreOf(kind, name.toLowerCase(), extension, type, shape);
  return [...candidates].sort((a, b) => score(b) - score(a));
}

function scoreOf(kind, name, extension, type, shape) {
  let score = type.startsWith(kind + "/") ? 2 : 0;
  const words = { depth: /depth/, normal: /normal/, imu: /imu|acc|gyro|motion/, fmri: /fmri|brain|bold/,
                  points: /point|cloud|scan/ };
  if (words[kind]?.test(name)) score += 4;
  if (extension === "gif" && kind === "image") score += 1;
  if (extension === "csv" && kind === "imu") score += 1;
  if (shape) score += 3 * (shapeSuits(kind, shape) ? 1 : 0);
  return score;
}

function shapeSuits(kind, shape) {
  const [a, b, c] = shape;
  switch (kind) {
    case "points": return shape.length === 2 && ((b === 3 || b === 6) && a > 64 || a === 3);
    case "imu": return shape.length === 2 && a === 6;
    case "fmri": return shape.length === 1 || (shape.length === 2 && b > 2048 && a < 256 && a !== 6 && a !== 3);
    case "depth": return shape.length === 2 && a > 6 && b > 6 && b <= 2048 || (shape.length === 3 && (a === 1 || c === 1));
    case "normal": return shape.length === 3 && (a === 3 || c === 3);
    default: return false;
  }
}

// For the file picker: what a model with these modalities may be given.
export function acceptOf(modalities) {
  const types = modalities.flatMap((kind) => ["image", "video", "audio"].includes(kind)
    ? [kind + "/*"] : kindInfo(kind).extensions.map((extension) => "." + extension.replace("nii.gz", "gz")));
  return modalities.every((kind) => kKinds[kind]) ? [...new Set(types)].join(",") : "";
}

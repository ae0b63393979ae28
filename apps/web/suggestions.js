// What to ask when nothing was asked yet. Data.

const kQuestions = {
  image: ["Describe this picture.", "What is unusual here?", "Read the text in this picture."],
  video: ["What happens in this video?"],
  audio: ["What do you hear?", "Where might this have been recorded?"],
  points: ["What object is this?"],
  depth: ["What can be seen in this scene?"],
  normal: ["Describe the shapes in this scene."],
  imu: ["What is this person doing?"],
  fmri: ["What is this person looking at?"],
};

// The models that come with Isthmus know one small world of solids on a table, and its words.
const kTableQuestions = {
  image: ["how many objects ?", "what is left of the blue sphere ?", "describe"],
  video: ["describe"], audio: ["describe"], points: ["describe"], depth: ["describe"], normal: ["describe"],
  imu: ["describe"], fmri: ["describe"],
};
// Nothing that was trained on more is as small.
export const isDemo = (model) => model.parameters > 0 && model.parameters < 2e7;

const kIntroductions = {
  llava: "Show it pictures and talk about them. It remembers what was shown.",
  flamingo: "Show it a few solved examples, then a new picture: it goes on as the examples do.",
  onellm: "One model for pictures, video, sound, points, depth, motion and brain activity.",
};

export function questionsFor(model, kind) {
  return (isDemo(model) ? kTableQuestions : kQuestions)[kind] ?? ["Describe this."];
}

export function introductionOf(model) {
  return kIntroductions[model.family] ?? "Ask it anything.";
}

export function titleFor(model) {
  const kinds = model.modalities.length;
  if (kinds === 0) return "What would you like to write?";
  return kinds === 1 ? "Ask about a picture" : "What would you like to show?";
}

// A set of solved examples to begin with, for models that are shown how to answer.
export const kForms = [
  { name: "", label: "as written" },
  { name: "caption", label: "captions (Output:)" },
  { name: "vqa", label: "questions (Question: … Short answer:)" },
  { name: "classification", label: "classes (Output:)" },
];

// The conversation templates, as data.
#include "text/conversation_table.h"

namespace isthmus::text {

namespace {

constexpr std::string_view kHumanSystem =
    "A chat between a curious human and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the human's questions.";
constexpr std::string_view kUserSystem =
    "A chat between a curious user and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the user's questions.";
// The missing space before "The visual content" is part of what the models were trained with.
constexpr std::string_view kImageTagSystem =
    "A chat between a curious user and an artificial intelligence assistant. The "
    "assistant is able to understand the visual content that the user provides, and "
    "assist the user with a variety of tasks using natural language.The visual content "
    "will be provided with the following format: <Image>visual content</Image>.";
constexpr std::string_view kLlama2System =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as "
    "possible, while being safe.  Your answers should not include any harmful, "
    "unethical, racist, sexist, toxic, dangerous, or illegal content. Please ensure that "
    "your responses are socially unbiased and positive in nature.\n\n"
    "If a question does not make any sense, or is not factually coherent, explain why "
    "instead of answering something not correct. If you don't know the answer to a "
    "question, please don't share false information.";
constexpr std::string_view kLlavaLlama2System =
    "You are a helpful language and vision assistant. You are able to understand the "
    "visual content that the user provides, and assist the user with a variety of tasks "
    "using natural language.";
constexpr std::string_view kMptSystem =
    "A conversation between a user and an LLM-based AI assistant. The assistant gives "
    "helpful and honest answers.";

constexpr std::string_view kEnergyExample[] = {
    "What are the key differences between renewable and non-renewable energy sources?",
    "Renewable energy sources are those that can be replenished naturally in a "
    "relatively short amount of time, such as solar, wind, hydro, geothermal, and "
    "biomass. Non-renewable energy sources, on the other hand, are finite and will "
    "eventually be depleted, such as coal, oil, and natural gas. Here are some key "
    "differences between renewable and non-renewable energy sources:\n"
    "1. Availability: Renewable energy sources are virtually inexhaustible, while "
    "non-renewable energy sources are finite and will eventually run out.\n"
    "2. Environmental impact: Renewable energy sources have a much lower environmental "
    "impact than non-renewable sources, which can lead to air and water pollution, "
    "greenhouse gas emissions, and other negative effects.\n"
    "3. Cost: Renewable energy sources can be more expensive to initially set up, but "
    "they typically have lower operational costs than non-renewable sources.\n"
    "4. Reliability: Renewable energy sources are often more reliable and can be used in "
    "more remote locations than non-renewable sources.\n"
    "5. Flexibility: Renewable energy sources are often more flexible and can be adapted "
    "to different situations and needs, while non-renewable sources are more rigid and "
    "inflexible.\n"
    "6. Sustainability: Renewable energy sources are more sustainable over the long "
    "term, while non-renewable sources are not, and their depletion can lead to economic "
    "and social instability.\n"};

constexpr std::string_view kImStartSystem = "<|im_start|>system\n";
constexpr std::string_view kImStartUser = "<|im_start|>user\n";
constexpr std::string_view kImStartAssistant = "<|im_start|>assistant\n";
constexpr std::string_view kImEnd = "<|im_end|>";
constexpr std::string_view kEotId = "<|eot_id|>";
constexpr std::string_view kLlama3Assistant = "<|start_header_id|>assistant<|end_header_id|>\n\n";
constexpr std::string_view kSysStart = "<<SYS>>\n";
constexpr std::string_view kSysEnd = "\n<</SYS>>\n\n";

// Separator styles of the reference, as data. SINGLE: "role: text" sep.
constexpr ConversationTemplate single(std::string_view name, std::string_view system,
                                      std::span<const std::string_view> examples = {},
                                      bool image_tags = false) {
  return {.name = name,
          .system = system,
          .system_end = "###",
          .user_begin = "Human: ",
          .user_end = "###",
          .assistant_begin = "Assistant: ",
          .assistant_end = "###",
          .generation_prompt = "Assistant:",
          .stop = "###",
          .examples = examples,
          .image_tags = image_tags};
}

// TWO: a space after the user's turns, </s> after the assistant's.
constexpr ConversationTemplate two(std::string_view name, std::string_view system,
                                   bool image_tags = false) {
  return {.name = name,
          .system = system,
          .system_end = " ",
          .user_begin = "USER: ",
          .user_end = " ",
          .assistant_begin = "ASSISTANT: ",
          .assistant_end = "</s>",
          .generation_prompt = "ASSISTANT:",
          .stop = "</s>",
          .image_tags = image_tags};
}

// As SINGLE, with line breaks around the ###.
constexpr ConversationTemplate one_llm(std::string_view name, std::string_view after_system,
                                       std::string_view after_turn) {
  return {.name = name,
          .system = kHumanSystem,
          .system_end = after_system,
          .user_begin = "Human: ",
          .user_end = after_turn,
          .assistant_begin = "Assistant: ",
          .assistant_end = after_turn,
          .generation_prompt = "Assistant:",
          .stop = "###"};
}

// LLAMA_2. The reference strips the first "<s>", which the tokenizer adds.
constexpr ConversationTemplate llama_2(std::string_view name, std::string_view system,
                                       std::string_view separator) {
  return {.name = name,
          .system_begin = kSysStart,
          .system = system,
          .system_end = kSysEnd,
          .user_begin = "[INST] ",
          .user_end = " [/INST]",
          .assistant_begin = " ",
          .assistant_end = " </s>",
          .stop = "</s>",
          .system_in_first_turn = true,
          .turn_separator = separator};
}

// MPT, which is ChatML without newlines between the turns.
constexpr ConversationTemplate mpt(std::string_view name, std::string_view system) {
  return {.name = name,
          .system_begin = kImStartSystem,
          .system = system,
          .system_end = kImEnd,
          .user_begin = kImStartUser,
          .user_end = kImEnd,
          .assistant_begin = kImStartAssistant,
          .assistant_end = kImEnd,
          .generation_prompt = kImStartAssistant,
          .stop = kImEnd};
}

constexpr ConversationTemplate plain(std::string_view name) {
  return {.name = name, .user_end = "\n", .stop = "\n", .only_user = true};
}

constexpr ConversationTemplate kTemplates[] = {
    single("default", kHumanSystem, kEnergyExample),
    single("v0", kHumanSystem, kEnergyExample),
    single("llava_v0", kHumanSystem),
    single("v0_mmtag", kImageTagSystem, {}, true),
    plain("v0_plain"),
    plain("plain"),
    two("v1", kUserSystem),
    two("vicuna_v1", kUserSystem),
    two("llava_v1", kHumanSystem),
    two("v1_mmtag", kImageTagSystem, true),
    llama_2("llama_2", kLlama2System, "<s>"),
    llama_2("llava_llama_2", kLlavaLlama2System, "<s>"),
    llama_2("mistral_instruct", "", ""),
    mpt("chatml_direct", "Answer the questions."),
    mpt("mistral_direct", "Answer the questions."),
    mpt("mpt", kMptSystem),
    // OneLLM's "v1", also its default: the prompt of its demos and evaluations; and the text it was
    // trained on, which has a space after every ###.       data/conversation_lib.py,
    // data/finetune_dataset.py
    one_llm("onellm", "\n\n###", "\n###"),
    one_llm("onellm_train", "\n\n### ", "\n### "),
    // The chat templates of the llava-hf checkpoints.
    {.name = "llava_hf",
     .system_end = " ",
     .user_begin = "USER: ",
     .user_end = " ",
     .assistant_begin = "ASSISTANT: ",
     .assistant_end = " ",
     .generation_prompt = "ASSISTANT:"},
    // The published Jinja text ends answers with "<\s> ", which is no token; the model was trained
    // with </s>.
    {.name = "llava_hf_mistral",
     .system_begin = kSysStart,
     .system_end = kSysEnd,
     .user_begin = "[INST] ",
     .user_end = " [/INST]",
     .assistant_begin = " ",
     .assistant_end = "</s> "},
    {.name = "llava_hf_chatml",
     .system_begin = kImStartSystem,
     .system_end = "<|im_end|>\n",
     .user_begin = kImStartUser,
     .user_end = "<|im_end|>\n",
     .assistant_begin = kImStartAssistant,
     .assistant_end = "<|im_end|>\n",
     .generation_prompt = kImStartAssistant,
     .stop = kImEnd},
    // LLaMA 3's own, without a system text unless one is given.
    {.name = "llama_3",
     .system_begin = "<|start_header_id|>system<|end_header_id|>\n\n",
     .system_end = kEotId,
     .user_begin = "<|start_header_id|>user<|end_header_id|>\n\n",
     .user_end = kEotId,
     .assistant_begin = kLlama3Assistant,
     .assistant_end = kEotId,
     .generation_prompt = kLlama3Assistant,
     .stop = kEotId},
};

}  // namespace

std::span<const ConversationTemplate> conversation_table() { return kTemplates; }

}  // namespace isthmus::text

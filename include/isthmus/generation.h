// How an answer is generated.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace isthmus {

// Defaults are greedy decoding. Field names and meanings are those of the published generation
// configs.
struct GenerationConfig {
  int64_t max_new_tokens = 512;
  int64_t min_new_tokens = 0;
  double temperature = 0;  // 0: greedy (or beams); > 0: sampling
  double top_p = 1;
  int64_t top_k = 0;  // 0: off
  double min_p = 0;   // tokens less probable than so many times the most probable are left out
  // Of the tokens whose surprise is nearest to what is expected, as many as hold this probability.
  double typical_p = 1;
  double repetition_penalty = 1;
  // Subtracted from the logit of a token that the answer has used, once, and for each time.
  double presence_penalty = 0, frequency_penalty = 0;
  // The three penalties look at so many of the latest tokens; -1: all.
  int64_t penalty_last_n = -1;
  std::map<int64_t, double> logit_bias;  // token id -> added to its logit
  int64_t num_beams = 1;
  double length_penalty = 1;
  bool early_stopping = false;
  uint64_t seed = 0;
  // At most so many tokens are guessed at once from the text so far and checked together with the
  // next; fewer where guesses turn out wrong. 0: none. The answer is the same but for rounding; not
  // with beams.
  int64_t prompt_lookup_num_tokens = 0;
  // The same with LoadOptions::draft, where the text so far suggests nothing.
  int64_t num_assistant_tokens = 8;
  // A JSON schema, as JSON text, that the answer satisfies unless max_new_tokens cuts it short; its
  // properties come in the order in which the text names them. "": none. Not with beams.
  std::string json_schema;
  // The same for any text: a grammar in GBNF, the notation of llama.cpp, whose rule `root` the
  // answer follows. One of the two at most.
  std::string grammar;
  std::vector<std::string> stop;       // strings that end the answer and are cut off
  std::vector<int64_t> stop_ids;       // besides the model's own end tokens
  std::map<std::string, bool> quirks;  // named quirks of the reference, on or off
};

}  // namespace isthmus

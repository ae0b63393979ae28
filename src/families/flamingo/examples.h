// What a Flamingo is trained on: a picture and its caption, or text with pictures in their places.
//   Awadalla et al. 2023 (arXiv 2308.01390), §3; open_flamingo/train/{data,train_utils}.py
#pragma once

#include <functional>
#include <string>

#include "families/example.h"
#include "isthmus/input.h"
#include "layout/flamingo_tokens.h"
#include "samples/sample.h"

namespace isthmus::families::flamingo {

// A picture for the encoder; `name` is what messages call it.
using PreparePicture =
    std::function<modalities::Prepared(const Part& picture, const std::string& name)>;

// Throws UsageError for an unknown template, and where the tokenizer lacks the marks of pictures
// and of ends, all at once.
void check_template(const std::string& name, const layout::FlamingoTokens& tokens);

// The template of ExampleOptions: "caption" or "interleaved"; by default a document that is a
// picture, then a text, is a caption pair, any other is interleaved.
//  - caption: <image>caption<|endofchunk|> and the end token, at most 32 tokens. All but <image>
//    carries loss.
//  - interleaved: a page is put in order first (samples/interleaved.h), then <|endofchunk|><image>
//    stands for every picture but the first, which has no <|endofchunk|>; <|endofchunk|> and the
//    end token close the text; at most 256 tokens. Loss is carried from behind each <image> up to
//    the next <|endofchunk|>, this included. A page of which one picture is left is used half of
//    the time, by options.random.
// A conversation is one text, too: each of its exchanges as a solved example in the few-shot form
// that the template names ("vqa" if it names none), each behind a marker of the sample's media,
// which are encoded once. The answers and what the form says behind them carry loss, times
// Sample::weights. An answer to a turn that only shows the medium is its caption. At most 256
// tokens.
// Defaults: 1 to 6 pictures, similarity 0.24. Text never becomes a special token by spelling it, as
// it would in the reference. Throws BadSample for a sample that cannot be used or carries no loss,
// UsageError for an unknown template.
Example make_example(const samples::Sample& sample, const ExampleOptions& options,
                     const layout::FlamingoTokens& tokens, const PreparePicture& prepare);

}  // namespace isthmus::families::flamingo

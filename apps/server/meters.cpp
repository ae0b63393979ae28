#include "meters.h"

#include <sstream>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace isthmus::server {
namespace {

using prometheus::ClientMetric;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Buckets = Histogram::BucketBoundaries;

// From one token of a small model to the answer of a large one, on a processor.
const Buckets& token_buckets() {
  static const Buckets kBuckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                0.15,  0.2,    0.3,   0.5,  0.75,  1,    2.5,   5};
  return kBuckets;
}
const Buckets& request_buckets() {
  static const Buckets kBuckets{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                5,    10,    20,   40,  80,   160, 320, 640};
  return kBuckets;
}

// One thing that services count themselves.
struct Reading {
  const char *name, *help;
  MetricType type;
  double (*value)(const serving::Load&);
};

template <auto field>
double field_of(const serving::Load& load) {
  return static_cast<double>(load.*field);
}

using serving::Load;
constexpr Reading kReadings[] = {
    {"isthmus:num_requests_running", "Questions being answered.", MetricType::Gauge,
     field_of<&Load::running>},
    {"isthmus:num_requests_waiting", "Questions waiting.", MetricType::Gauge,
     field_of<&Load::waiting>},
    {"isthmus:kv_cache_usage_perc", "Share of the cache of keys and values in use, 0 to 1.",
     MetricType::Gauge, field_of<&Load::kv_cache_usage>},
    {"isthmus:prompt_tokens_total", "Tokens of prompts, media included.", MetricType::Counter,
     field_of<&Load::prompt_tokens>},
    {"isthmus:generation_tokens_total", "Tokens generated.", MetricType::Counter,
     field_of<&Load::generation_tokens>},
    {"isthmus:prefix_cache_queries_total", "Tokens of prompts looked for in the cache.",
     MetricType::Counter, field_of<&Load::prefix_queries>},
    {"isthmus:prefix_cache_hits_total", "Those that were found.", MetricType::Counter,
     field_of<&Load::prefix_hits>},
    {"isthmus:mm_cache_queries_total", "Media looked for among those encoded before.",
     MetricType::Counter, field_of<&Load::media_queries>},
    {"isthmus:mm_cache_hits_total", "Those that were found.", MetricType::Counter,
     field_of<&Load::media_hits>},
    {"isthmus:mm_disk_cache_queries_total", "Media looked for on disk, not being in memory.",
     MetricType::Counter, field_of<&Load::media_disk_queries>},
    {"isthmus:mm_disk_cache_hits_total", "Those that were found.", MetricType::Counter,
     field_of<&Load::media_disk_hits>},
    {"isthmus:num_preemptions_total", "Questions put back to wait.", MetricType::Counter,
     field_of<&Load::preemptions>},
};

// What vLLM calls the end of an answer.
std::string reason_of(const std::string& reason) {
  if (reason == "eos" || reason == "stop") return "stop";
  return reason == "length" ? reason : "abort";
}

}  // namespace

struct Meters::State {
  Family<Histogram>& histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry;
  Family<Histogram>& first_token = histogram("isthmus:time_to_first_token_seconds",
                                             "From the request to the first piece of its answer.");
  Family<Histogram>& next_token =
      histogram("isthmus:inter_token_latency_seconds", "From one piece of an answer to the next.");
  Family<Histogram>& per_token = histogram("isthmus:time_per_output_token_seconds",
                                           "Time of an answer behind its first token, by tokens.");
  Family<Histogram>& encode =
      histogram("isthmus:encoder_time_seconds", "Encoding the media of a request.");
  Family<Histogram>& prefill =
      histogram("isthmus:request_prefill_time_seconds", "Reading the prompt of a request.");
  Family<Histogram>& decode =
      histogram("isthmus:request_decode_time_seconds", "Generating an answer.");
  Family<Histogram>& request =
      histogram("isthmus:e2e_request_latency_seconds", "From a request to the end of its answer.");
  Family<Counter>& success = prometheus::BuildCounter()
                                 .Name("isthmus:request_success_total")
                                 .Help("Answers, by what ended them.")
                                 .Register(registry);
  Family<Counter>& responses = prometheus::BuildCounter()
                                   .Name("isthmus:http_requests_total")
                                   .Help("Requests, by route and status.")
                                   .Register(registry);
};

Meters::Meters() : state_(std::make_unique<State>()) {}
Meters::~Meters() = default;

void Meters::first_token(const std::string& model, double seconds) {
  state_->first_token.Add({{"model_name", model}}, request_buckets()).Observe(seconds);
}

void Meters::next_token(const std::string& model, double seconds) {
  state_->next_token.Add({{"model_name", model}}, token_buckets()).Observe(seconds);
}

void Meters::finished(const std::string& model, const std::string& reason, const Timings& timings) {
  state_->success.Add({{"model_name", model}, {"finished_reason", reason_of(reason)}}).Increment();
  const prometheus::Labels labels{{"model_name", model}};
  state_->encode.Add(labels, request_buckets()).Observe(timings.encode);
  state_->prefill.Add(labels, request_buckets()).Observe(timings.prefill);
  state_->decode.Add(labels, request_buckets()).Observe(timings.decode);
  if (timings.generated_tokens > 1)
    state_->per_token.Add(labels, token_buckets())
        .Observe(timings.decode / static_cast<double>(timings.generated_tokens - 1));
}

void Meters::request(const std::string& model, double seconds) {
  state_->request.Add({{"model_name", model}}, request_buckets()).Observe(seconds);
}

void Meters::response(const std::string& route, int status) {
  state_->responses.Add({{"route", route}, {"status", std::to_string(status)}}).Increment();
}

std::string Meters::text(std::span<const std::pair<std::string, serving::Load>> loads) const {
  std::vector<MetricFamily> families = state_->registry.Collect();
  for (const Reading& reading : kReadings) {
    MetricFamily family{reading.name, reading.help, reading.type, {}};
    for (const auto& [model, load] : loads) {
      ClientMetric metric;
      metric.label.push_back({"model_name", model});
      metric.gauge.value = metric.counter.value = reading.value(load);
      family.metric.push_back(std::move(metric));
    }
    families.push_back(std::move(family));
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace isthmus::server

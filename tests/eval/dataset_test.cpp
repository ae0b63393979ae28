#include "eval/dataset.h"

#include "eval/task.h"
#include "eval_testing.h"

namespace isthmus::eval {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

Dataset read(const fs::path& file, DatasetOptions options = {}) {
  return read_dataset(std::span(&file, 1), options);
}

constexpr const char* kKarpathyCoco = R"({"images": [
  {"filepath": "val2014", "sentids": [1, 2], "filename": "COCO_val2014_000000000042.jpg",
   "imgid": 0, "split": "test", "cocoid": 42,
   "sentences": [{"tokens": ["a", "cat"], "raw": "A cat.", "imgid": 0, "sentid": 1},
                 {"tokens": ["two"], "raw": "Two eyes.", "imgid": 0, "sentid": 2}]},
  {"filepath": "train2014", "sentids": [3], "filename": "COCO_train2014_000000000009.jpg",
   "imgid": 1, "split": "train", "cocoid": 9, "sentences": [{"raw": "Soup."}]},
  {"filepath": "val2014", "sentids": [4], "filename": "COCO_val2014_000000000010.jpg",
   "imgid": 2, "split": "restval", "cocoid": 10, "sentences": [{"raw": "Nut."}]}],
  "dataset": "coco"})";

TEST(Dataset, CocoInKarpathysSplits) {
  const auto folder = fresh_folder();
  const auto file = put(folder / "dataset_coco.json", kKarpathyCoco);
  put(folder / "val2014/COCO_val2014_000000000042.jpg", kPicture);
  const auto test = read(file, {.split = "test"});
  ASSERT_EQ(test.samples.size(), 1u);
  EXPECT_EQ(test.kind, TaskKind::kCaptioning);
  EXPECT_EQ(test.samples[0].id, "42");
  EXPECT_EQ(test.samples[0].image, folder / "val2014/COCO_val2014_000000000042.jpg");
  EXPECT_EQ(test.samples[0].references, (Texts{"A cat.", "Two eyes."}));
  const auto train = read(file, {.split = "train"});
  ASSERT_EQ(train.samples.size(), 1u);
  EXPECT_EQ(train.samples[0].answer(), "Soup.");
  // Missing pictures are not the reader's business.
  EXPECT_EQ(train.samples[0].image, folder / "COCO_train2014_000000000009.jpg");
  EXPECT_EQ(message_of([&] { read(file, {.split = "dev"}); }),
            file.string() + ": holds no example of the split \"dev\"");
}

TEST(Dataset, CocoAnnotations) {
  const auto folder = fresh_folder();
  const auto file = put(folder / "annotations/captions_val2014.json",
                        R"({"info": {"year": [2014]}, "annotations": [
      {"image_id": 42, "id": 1, "caption": "A cat."}, {"image_id": 7, "id": 2, "caption": "Soup."},
      {"image_id": 42, "id": 3, "caption": "Two eyes."}],
      "images": [{"license": 5, "file_name": "COCO_val2014_000000000042.jpg", "id": 42},
                 {"license": 5, "file_name": "COCO_val2014_000000000007.jpg", "id": 7}],
      "licenses": [{"id": 1}]})");
  put(folder / "val2014/COCO_val2014_000000000007.jpg", kPicture);
  const auto dataset = read(file, {.images = folder});
  ASSERT_EQ(dataset.samples.size(), 2u);
  EXPECT_EQ(dataset.samples[0].references, (Texts{"A cat.", "Two eyes."}));
  EXPECT_EQ(dataset.samples[1].id, "7");
  EXPECT_EQ(dataset.samples[1].image, folder / "val2014/COCO_val2014_000000000007.jpg");
}

TEST(Dataset, FlickrTokensAndTables) {
  const auto folder = fresh_folder();
  put(folder / "flickr30k-images/12.jpg", kPicture);
  const auto tokens = put(folder / "results_20130124.token",
                          "12.jpg#0\tTwo \"young\" guys .\n12.jpg#1\tA yard .\n7.jpg#0\tA dog .\n");
  const auto table = put(folder / "results.csv",
                         "image_name| comment_number| comment\n12.jpg| 0| Two \"young\" guys .\n"
                         "12.jpg| 1| A yard .\n7.jpg| 0| A dog .\n");
  const auto lists = put(folder / "flickr_annotations_30k.csv",
                         "raw,sentids,split,filename,img_id\r\n"
                         "\"[\"\"Two \\\"\"young\\\"\" guys .\"\", \"\"A yard .\"\"]\","
                         "\"[0, 1]\",test,12.jpg,0\r\n"
                         "\"[\"\"A dog .\"\"]\",[5],train,7.jpg,1\r\n");
  for (const auto& file : {tokens, table, lists}) {
    const auto dataset = read(file);
    ASSERT_EQ(dataset.samples.size(), 2u) << file;
    EXPECT_EQ(dataset.samples[0].id, "12");
    EXPECT_EQ(dataset.samples[0].image, folder / "flickr30k-images/12.jpg");
    EXPECT_EQ(dataset.samples[0].references, (Texts{"Two \"young\" guys .", "A yard ."}));
    EXPECT_EQ(dataset.samples[1].references, Texts{"A dog ."});
  }
  EXPECT_EQ(read(lists, {.split = "train"}).samples.size(), 1u);
  const auto karpathy =
      put(folder / "dataset_flickr30k.json",
          R"({"images": [{"sentids": [0], "imgid": 0, "filename": "12.jpg", "split": "test",
              "sentences": [{"raw": "Two guys."}]}], "dataset": "flickr30k"})");
  EXPECT_EQ(read(karpathy, {.split = "test"}).samples[0].id, "12");
}

TEST(Dataset, VqaQuestionsMeetTheirAnswersByNumber) {
  const auto folder = fresh_folder();
  put(folder / "val2014/COCO_val2014_000000262148.jpg", kPicture);
  const std::vector<fs::path> files{
      put(folder / "v2_mscoco_val2014_annotations.json",
          R"({"annotations": [
          {"question_type": "what", "multiple_choice_answer": "net", "image_id": 262148,
           "answers": [{"answer": "net", "answer_confidence": "maybe", "answer_id": 1},
                       {"answer": "yes", "answer_confidence": "yes", "answer_id": 2}],
           "answer_type": "other", "question_id": 262148001},
          {"image_id": 262148, "answers": [{"answer": "down", "answer_id": 1}],
           "question_id": 262148000}], "data_subtype": "val2014"})"),
      put(folder / "v2_OpenEnded_mscoco_val2014_questions.json",
          R"({"info": {}, "task_type": "Open-Ended", "data_type": "mscoco",
           "data_subtype": "val2014", "questions": [
          {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000},
          {"image_id": 262148, "question": "What is it?", "question_id": 262148001}]})")};
  const auto dataset = read_dataset(files, {});
  EXPECT_EQ(dataset.kind, TaskKind::kVqa);
  ASSERT_EQ(dataset.samples.size(), 2u);
  EXPECT_EQ(dataset.samples[0].id, "262148000");
  EXPECT_EQ(dataset.samples[0].question, "Where is he looking?");
  EXPECT_EQ(dataset.samples[0].image, folder / "val2014/COCO_val2014_000000262148.jpg");
  EXPECT_EQ(dataset.samples[1].references, (Texts{"net", "yes"}));
  // Questions of test-dev come without answers.
  EXPECT_FALSE(read(files[1]).samples[0].has_answer());
  EXPECT_NE(message_of([&] { read(files[0]); }).find("without the file of their questions"),
            std::string::npos);
}

TEST(Dataset, AQuestionWithoutAnswersIsBroken) {
  const auto folder = fresh_folder();
  const std::vector<fs::path> files{
      put(folder / "q.json", R"({"questions": [
          {"image_id": 1, "question": "A?", "question_id": 10},
          {"image_id": 1, "question": "B?", "question_id": 11},
          {"image_id": 1, "question_id": 12}]})"),
      put(folder / "a.json",
          R"({"annotations": [{"answers": [{"answer": "x"}], "question_id": 10}]})")};
  EXPECT_EQ(message_of([&] { read_dataset(files, {}); }),
            files[0].string() + ": questions[2]: question: missing");
  const auto dataset = read_dataset(files, {.skip_broken = true});
  EXPECT_EQ(dataset.samples.size(), 1u);
  EXPECT_EQ(dataset.broken.count(), 2);
  EXPECT_EQ(dataset.broken.messages()[1],
            files[0].string() + ": questions[1]: question_id 11 has no entry in the annotations");
}

TEST(Dataset, TextVqaAndVizWizInTheirOwnLayouts) {
  const auto folder = fresh_folder();
  put(folder / "train_images/003a8ae2ef43b901.jpg", kPicture);
  const auto textvqa = put(folder / "TextVQA_0.5.1_val.json",
                           R"({"dataset_type": "val", "dataset_name": "textvqa", "data": [
      {"question": "what is the brand?", "image_id": "003a8ae2ef43b901", "image_classes": ["Cap"],
       "question_tokens": ["what"], "question_id": 34602, "set_name": "val",
       "answers": ["dakota", "dakota digital"]}]})");
  const auto text = read(textvqa);
  EXPECT_EQ(text.kind, TaskKind::kVqa);
  EXPECT_EQ(text.samples[0].image, folder / "train_images/003a8ae2ef43b901.jpg");
  EXPECT_EQ(text.samples[0].references, (Texts{"dakota", "dakota digital"}));

  put(folder / "val/VizWiz_val_00000000.jpg", kPicture);
  const auto vizwiz = put(folder / "Annotations/val.json",
                          R"([{"image": "VizWiz_val_00000000.jpg", "question": "What is this?",
      "answers": [{"answer_confidence": "yes", "answer": "basil"},
                  {"answer_confidence": "no", "answer": "unanswerable"}],
      "answer_type": "other", "answerable": 1}])");
  const auto wiz = read(vizwiz, {.images = folder});
  EXPECT_EQ(wiz.kind, TaskKind::kVqa);
  EXPECT_EQ(wiz.samples[0].id, "VizWiz_val_00000000");
  EXPECT_EQ(wiz.samples[0].image, folder / "val/VizWiz_val_00000000.jpg");
  EXPECT_EQ(wiz.samples[0].references, (Texts{"basil", "unanswerable"}));
}

TEST(Dataset, HatefulMemes) {
  const auto folder = fresh_folder();
  put(folder / "img/42953.png", kPicture);
  const auto file = put(folder / "dev.jsonl",
                        R"({"id":42953,"img":"img/42953.png","label":0,"text":"their character"}
{"id":"08291","img":"img/08291.png","label":1,"text":"dishwasher"}
)");
  const auto dataset = read(file);
  EXPECT_EQ(dataset.kind, TaskKind::kClassification);
  ASSERT_EQ(dataset.samples.size(), 2u);
  EXPECT_EQ(dataset.samples[0].label, "no");
  EXPECT_EQ(dataset.samples[0].image, folder / "img/42953.png");
  EXPECT_EQ(dataset.samples[1].id, "08291");
  EXPECT_EQ(dataset.samples[1].label, "yes");
  EXPECT_EQ(dataset.samples[1].ocr, "dishwasher");
  EXPECT_EQ(read(file, {.images = folder / "img"}).samples[0].image, folder / "img/42953.png");
}

TEST(Dataset, OnesOwnLines) {
  const auto folder = fresh_folder();
  const auto captions = put(folder / "c.jsonl",
                            "{\"image\": \"a.jpg\", \"captions\": [\"One.\"]}\n"
                            "\n{\"image\": \"b.jpg\", \"caption\": \"Two.\"}");
  EXPECT_EQ(read(captions).samples[1].id, "3");
  EXPECT_EQ(read(captions).samples[1].references, Texts{"Two."});
  const auto questions =
      put(folder / "q.jsonl", R"({"image": "a.jpg", "question": "Q?", "answers": ["x"], "id": 7})");
  EXPECT_EQ(read(questions).kind, TaskKind::kVqa);
  EXPECT_EQ(read(questions).samples[0].id, "7");
  const auto labels = put(folder / "l.jsonl",
                          "{\"image\": \"a.jpg\", \"label\": \"cat\"}\n"
                          "{\"image\": \"b.jpg\", \"label\": 3, \"ocr\": \"x\"}\n"
                          "{\"image\": \"b.jpg\", \"label\": true}");
  EXPECT_EQ(read(labels).samples[1].label, "3");
  EXPECT_EQ(read(labels).samples[2].label, "yes");
}

TEST(Dataset, ABrokenLineIsNamedOrSkippedAndCounted) {
  const auto folder = fresh_folder();
  const auto file = put(folder / "c.jsonl",
                        "{\"image\": \"a.jpg\", \"captions\": [\"One.\"]}\n"
                        "{\"image\": \"b.jpg\", \"captions\": [\n"
                        "{\"image\": \"b.jpg\", \"captions\": [3]}\n"
                        "{\"image\": \"b.jpg\", \"captions\": []}\n"
                        "{\"image\": \"b.jpg\"}\n"
                        "[1]\n"
                        "{\"image\": \"b.jpg\", \"label\": \"x\"}\n"
                        "{\"image\": \"b.jpg\", \"captions\": [\"Last.\"]}\n");
  EXPECT_THROW(read(file), InputError);
  EXPECT_EQ(message_of([&] { read(file); }).find(file.string() + ":2: not valid JSON at byte"), 0u);
  const auto dataset = read(file, {.skip_broken = true});
  EXPECT_EQ(dataset.samples.size(), 2u);
  EXPECT_EQ(dataset.broken.count(), 6);
  const auto& messages = dataset.broken.messages();
  EXPECT_EQ(messages[2], file.string() + ":4: captions: is empty");
  EXPECT_EQ(messages[3], file.string() + ":5: holds none of captions, question and answers, label");
  EXPECT_EQ(messages[5], file.string() +
                             ":7: is an example of classification, the lines before it "
                             "are of captioning");
}

TEST(Dataset, BrokenTablesAndDocumentsAreNamed) {
  const auto folder = fresh_folder();
  const auto tokens = put(folder / "t.token", "1.jpg#0\tA.\nno tab here\n2.jpg#0\tB.\n");
  EXPECT_EQ(message_of([&] { read(tokens); }),
            tokens.string() + ":2: expected PICTURE#NUMBER, a tab and a caption");
  EXPECT_EQ(read(tokens, {.skip_broken = true}).samples.size(), 2u);
  // The published results.csv has one such line.
  const auto table = put(folder / "t.csv", "image_name| comment_number| comment\n1.jpg| 4   A.\n");
  EXPECT_EQ(message_of([&] { read(table); }), table.string() + ":2: 2 columns, the header has 3");
  const auto header = put(folder / "h.csv", "picture,words\n1.jpg,A.\n");
  EXPECT_NE(message_of([&] { read(header); }).find(":1: the header names the columns picture"),
            std::string::npos);
  const auto cut = put(folder / "cut.json", std::string(kKarpathyCoco).substr(0, 300));
  EXPECT_EQ(message_of([&] { read(cut); }).find(cut.string() + ": not valid JSON at line 5"), 0u);
  const auto other = put(folder / "other.json", R"({"a": [1, 2], "b": {"c": [{"d": 1}]}})");
  EXPECT_NE(message_of([&] { read(other); }).find("is no data set known here"), std::string::npos);
  const auto wrong = put(folder / "wrong.json", R"({"images": [3, {"filename": 4}]})");
  EXPECT_EQ(message_of([&] { read(wrong, {.split = "test"}); }),
            wrong.string() + ": images[0]: expected an object, found 3 (a number)");
  EXPECT_NE(message_of([&] {
              read(wrong, {.split = "test", .skip_broken = true});
            }).find("holds no example; 2 broken, the first of them"),
            std::string::npos);
  EXPECT_THROW(read(put(folder / "x.bin", "")), UsageError);
  EXPECT_THROW(read(folder / "none.jsonl"), InputError);
  EXPECT_EQ(message_of([&] { read(put(folder / "e.jsonl", "")); }),
            (folder / "e.jsonl").string() + ": holds no example");
}

// Prefixes of a file, and bytes of it changed: an error that names the file, or a data
// set.
TEST(Dataset, DamagedFilesNeverCrash) {
  const auto folder = fresh_folder();
  const std::string json = kKarpathyCoco;
  const std::string lines =
      "{\"image\": \"a.jpg\", \"captions\": [\"One.\"]}\n"
      "{\"id\":4,\"img\":\"4.png\",\"label\":0,\"text\":\"t\"}\n";
  const std::string table = "raw,split,filename\n\"[\"\"A.\"\"]\",test,1.jpg\n";
  for (const auto& [name, content] : {std::pair{"a.json", json},
                                      {"a.jsonl", lines},
                                      {"a.csv", table},
                                      {"a.token", std::string("1.jpg#0\tA.\n")}})
    for (size_t i = 0; i < content.size(); i += name == std::string("a.json") ? 9 : 1)
      for (const bool cut : {true, false}) {
        std::string damaged = cut ? content.substr(0, i) : content;
        if (!cut) damaged[i] = static_cast<char>(damaged[i] ^ 0x15);
        const auto file = put(folder / name, damaged);
        try {
          read(file, {.split = "test", .skip_broken = i % 2 == 0});
        } catch (const InputError& error) {
          EXPECT_EQ(std::string(error.what()).find(file.string()), 0u) << error.what();
        }
      }
}

TEST(Task, PublishedFilesAreFoundInTheirFolder) {
  const auto folder = fresh_folder();
  const Task& task = *find_task("vqav2");
  EXPECT_NE(message_of([&] {
              find_task_files(task, folder);
            }).find("v2_OpenEnded_mscoco_val2014_questions.json"),
            std::string::npos);
  for (const char* name :
       {"v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json"})
    put(folder / name, "{}");
  for (const char* name :
       {"v2_OpenEnded_mscoco_train2014_questions.json", "v2_mscoco_train2014_annotations.json"})
    put(folder / "annotations" / name, "{}");
  const auto files = find_task_files(task, folder);
  EXPECT_EQ(files.test.size(), 2u);
  EXPECT_EQ(files.train[0].parent_path(), folder / "annotations");
  EXPECT_EQ(files.images, folder);
  EXPECT_THROW(find_task_files(task, folder / "none"), InputError);
}

TEST(Task, SettingsAreThoseOfThePublishedFigures) {
  EXPECT_EQ(find_task("coco")->generation().max_new_tokens, 20);
  EXPECT_EQ(find_task("vqav2")->generation().max_new_tokens, 5);
  EXPECT_EQ(find_task("textvqa")->generation().max_new_tokens, 10);
  for (const Task& task : task_table()) {
    EXPECT_EQ(task.generation().num_beams, 3);
    EXPECT_EQ(task.generation().length_penalty, 0.0);
    EXPECT_FALSE(task.generation().early_stopping);
  }
  EXPECT_EQ(find_task("hateful_memes")->class_names(), (Texts{"no", "yes"}));
  EXPECT_EQ(own_task(TaskKind::kVqa).name, "vqa");
}

}  // namespace
}  // namespace isthmus::eval

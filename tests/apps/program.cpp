#include "program.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace isthmus::testing_programs {
namespace fs = std::filesystem;
namespace {

constexpr double kPatience = 120;  // seconds

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

// Two ends of a channel; closed where they are still open at the end.
struct Channel {
  int read_end = -1, write_end = -1;

  // `packets`: every write arrives as one read.
  explicit Channel(bool packets = false) {
    int ends[2];
    if (packets)
      check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    else
      check(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Channel() {
    close(read_end);
    close(write_end);
  }
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
};

[[noreturn]] void become(const std::vector<std::string>& arguments,
                         const Surroundings& surroundings, int in, int out, int err) {
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  for (const auto& [name, value] : surroundings.environment) {
    if (value.empty())
      ::unsetenv(name.c_str());
    else
      ::setenv(name.c_str(), value.c_str(), 1);
  }
  if (!surroundings.folder.empty() && ::chdir(surroundings.folder.c_str()) != 0) ::_exit(126);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

// Feeds `input` and collects what comes until both outputs are closed.
void exchange(Channel& in, Channel& out, Channel& err, std::string_view input, Outcome& outcome,
              pid_t child) {
  const double deadline = now() + kPatience;
  char buffer[1 << 16];
  while (out.read_end >= 0 || err.read_end >= 0) {
    if (input.empty()) Channel::close(in.write_end);
    pollfd polled[] = {
        {in.write_end, POLLOUT, 0}, {out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
    ::poll(polled, 3, 1000);
    if (now() > deadline) ::kill(child, SIGKILL);
    if (polled[0].revents != 0) {
      const ssize_t count = ::write(in.write_end, input.data(), input.size());
      if (count < 0)
        input = {};
      else
        input.remove_prefix(static_cast<size_t>(count));
    }
    if (polled[1].revents != 0) {
      const ssize_t count = ::read(out.read_end, buffer, sizeof buffer);
      if (count <= 0)
        Channel::close(out.read_end);
      else
        outcome.pieces.emplace_back(buffer, static_cast<size_t>(count));
    }
    if (polled[2].revents != 0) {
      const ssize_t count = ::read(err.read_end, buffer, sizeof buffer);
      if (count <= 0)
        Channel::close(err.read_end);
      else
        outcome.err.append(buffer, static_cast<size_t>(count));
    }
  }
}

// Two runs of the tests at the same time do not meet.
fs::path own_folder() {
  return fs::path(testing::TempDir()) / ("isthmus_apps." + std::to_string(::getpid()));
}

class Cleanup : public testing::Environment {
 public:
  void TearDown() override { fs::remove_all(own_folder()); }
};

const testing::Environment* const kCleanup = testing::AddGlobalTestEnvironment(new Cleanup);

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

}  // namespace

Outcome run_program(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  std::signal(SIGPIPE, SIG_IGN);
  Channel in, out(surroundings.keep_pieces), err;
  int file = -1;
  if (!surroundings.output.empty()) {
    file = ::open(surroundings.output.c_str(), O_WRONLY | O_CLOEXEC);
    check(file >= 0, surroundings.output.c_str());
  }
  const double start = now();
  const pid_t child = ::fork();
  check(child >= 0, "fork");
  if (child == 0)
    become(arguments, surroundings, in.read_end, file >= 0 ? file : out.write_end, err.write_end);
  Channel::close(in.read_end);
  Channel::close(out.write_end);
  Channel::close(err.write_end);
  Channel::close(file);
  Outcome outcome;
  exchange(in, out, err, surroundings.input, outcome, child);
  int status = 0;
  rusage used{};
  check(::wait4(child, &status, 0, &used) == child, "wait4");
  outcome.seconds = now() - start;
  outcome.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  for (const std::string& piece : outcome.pieces) outcome.out += piece;
  return outcome;
}

fs::path isthmus_program() { return fs::path(ISTHMUS_BINARY_DIR) / "bin/isthmus"; }

Outcome isthmus(std::vector<std::string> arguments, const Surroundings& surroundings) {
  arguments.insert(arguments.begin(), isthmus_program().string());
  return run_program(arguments, surroundings);
}

fs::path fixture(const std::string& relative) {
  return fs::path(ISTHMUS_FIXTURES) / "llava" / relative;
}

fs::path demo(const std::string& relative) {
  return fs::path(ISTHMUS_SOURCE_DIR) / "demo" / relative;
}

fs::path fresh_folder() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const fs::path folder = own_folder() / test->test_suite_name() / test->name();
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

fs::path copy_of(const fs::path& source, const fs::path& folder) {
  fs::create_directories(folder.parent_path());
  fs::copy(source, folder, fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
  return folder;
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

fs::path put_file(const fs::path& file, std::string_view content) {
  fs::create_directories(file.parent_path());
  fs::remove(file);
  std::ofstream(file, std::ios::binary)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
  return file;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace isthmus::testing_programs

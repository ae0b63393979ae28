#include "connection.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

namespace isthmus::server {
namespace {

using NameOf = int (*)(int, sockaddr*, socklen_t*);

bool is_at(int socket, NameOf name_of, const std::string& address, int port) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  auto* generic = reinterpret_cast<sockaddr*>(&name);
  if (name_of(socket, generic, &length) != 0) return false;
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  if (::getnameinfo(generic, length, host.data(), host.size(), service.data(), service.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return false;
  return address == host.data() && std::to_string(port) == service.data();
}

}  // namespace

Connection::Connection(const httplib::Request& request) {
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", failure)) {
    const std::string name = entry.path().filename().string();
    int descriptor = -1;
    std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (is_at(descriptor, ::getpeername, request.remote_addr, request.remote_port) &&
        is_at(descriptor, ::getsockname, request.local_addr, request.local_port)) {
      socket_ = descriptor;
      return;
    }
  }
}

bool Connection::left() const {
  if (socket_ < 0) return false;
  pollfd watched{socket_, POLLRDHUP, 0};
  return ::poll(&watched, 1, 0) > 0;
}

void Connection::stop_reading() const {
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RD);
}

}  // namespace isthmus::server

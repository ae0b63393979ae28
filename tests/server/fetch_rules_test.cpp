#include "server/fetch_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <gtest/gtest.h>

#include "isthmus/error.h"

namespace isthmus::server {
namespace {

Reach reach(const std::string& text) {
  sockaddr_storage storage{};
  auto* four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, text.c_str(), &four->sin_addr) == 1)
    storage.ss_family = AF_INET;
  else if (::inet_pton(AF_INET6, text.c_str(), &six->sin6_addr) == 1)
    storage.ss_family = AF_INET6;
  else
    ADD_FAILURE() << text;
  return reach_of(reinterpret_cast<const sockaddr&>(storage));
}

TEST(HostPattern, NamesOneHostOrAllBelowOne) {
  const HostPattern one("Example.org"), below("*.example.org"), port("example.org:8080");
  EXPECT_TRUE(one.matches("example.org", 80));
  EXPECT_TRUE(one.matches("example.org", 443));
  EXPECT_FALSE(one.matches("example.org", 8080));
  EXPECT_FALSE(one.matches("a.example.org", 443));
  EXPECT_FALSE(one.matches("example.org.evil.com", 443));
  EXPECT_TRUE(below.matches("a.example.org", 443));
  EXPECT_TRUE(below.matches("a.b.example.org", 443));
  EXPECT_FALSE(below.matches("example.org", 443));
  EXPECT_FALSE(below.matches(".example.org", 443));
  EXPECT_FALSE(below.matches("evilexample.org", 443));
  EXPECT_TRUE(port.matches("example.org", 8080));
  EXPECT_FALSE(port.matches("example.org", 443));
  EXPECT_TRUE(HostPattern("[::1]:81").matches("[::1]", 81));
}

TEST(HostPattern, WhatNamesNoHostIsRefused) {
  for (const char* text : {"", "*", "*.", "https://example.org", "example.org/a", "a*.org",
                           "*.*.org", "example.org:", "example.org:0", "example.org:99999",
                           "example.org:80a", "u@example.org", "::1"})
    EXPECT_THROW(HostPattern{text}, UsageError) << text;
}

TEST(Reach, OnlyTheInternetIsPublic) {
  for (const char* text :
       {"1.1.1.1", "93.184.216.34", "172.32.0.1", "192.169.0.1", "100.128.0.1", "223.255.255.255",
        "2606:2800:220:1::1", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"})
    EXPECT_EQ(reach(text), Reach::kPublic) << text;
  for (const char* text : {"127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255",
                           "192.168.1.1", "100.64.0.1", "::1", "fc00::1", "fd12::1",
                           "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"})
    EXPECT_EQ(reach(text), Reach::kPrivate) << text;
  for (const char* text :
       {"0.0.0.0", "169.254.169.254", "100.100.100.200", "224.0.0.1", "255.255.255.255",
        "::", "fe80::1", "ff02::1", "fd00:ec2::254", "2001:db8::1", "2002:7f00:1::", "2001::1",
        "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "::127.0.0.1"})
    EXPECT_EQ(reach(text), Reach::kNever) << text;
}

}  // namespace
}  // namespace isthmus::server

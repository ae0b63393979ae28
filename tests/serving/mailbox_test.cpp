#include "serving/mailbox.h"

#include <thread>

#include <gtest/gtest.h>

namespace isthmus::serving {
namespace {

using namespace std::chrono_literals;

TEST(Mailbox, EventsComeInOrderAndTheLastIsTheEnd) {
  const auto mailbox = std::make_shared<Mailbox>();
  const auto ticket = ticket_of(mailbox);
  mailbox->post(Admitted{7, 3});
  mailbox->post(Piece{0, "text", {}});
  mailbox->close();
  mailbox->post(Piece{0, "late", {}});
  EXPECT_FALSE(ticket->done());
  EXPECT_EQ(std::get<Admitted>(*ticket->next(0s)).reused_tokens, 3);
  EXPECT_EQ(std::get<Piece>(*ticket->next(0s)).text, "text");
  EXPECT_TRUE(ticket->done());
  EXPECT_FALSE(ticket->next(1h));  // at once: nothing can come
}

TEST(Mailbox, PatienceEnds) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.next(1ms));
  EXPECT_FALSE(mailbox.done());
}

TEST(Mailbox, WhoeverWaitsIsWoken) {
  Mailbox mailbox;
  std::thread other([&] { mailbox.post(Failed{"no", 2}); });
  const auto event = mailbox.next(1min);
  other.join();
  EXPECT_EQ(std::get<Failed>(*event).code, 2);
}

TEST(Mailbox, ATicketThatIsGoneCancels) {
  const auto mailbox = std::make_shared<Mailbox>();
  { const auto ticket = ticket_of(mailbox); }
  EXPECT_TRUE(mailbox->cancelled());
}

}  // namespace
}  // namespace isthmus::serving

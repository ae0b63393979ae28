// JSON whose objects keep the order in which their keys were written.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/ordered_json_fwd.h"

namespace isthmus {

// The objects of OrderedJson. nlohmann::ordered_json looks a key up by reading all before it, so
// that reading an object takes time that grows with the square of its size: 128 000 words of a
// tokenizer, or as many keys from somebody who means harm. Here large objects have an index beside
// the list, of logarithmic time whatever the keys are.
template <class Key, class Value, class Less, class Allocator>
class OrderedObject {
 public:
  using key_type = Key;
  using mapped_type = Value;
  using value_type = std::pair<const Key, Value>;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = value_type&;
  using const_reference = const value_type&;
  using key_compare = std::less<>;
  using iterator = typename std::list<value_type>::iterator;
  using const_iterator = typename std::list<value_type>::const_iterator;

  OrderedObject() = default;
  explicit OrderedObject(const Allocator&) {}
  template <class Iterator>
  OrderedObject(Iterator first, Iterator last) {
    insert(first, last);
  }
  OrderedObject(std::initializer_list<value_type> values)
      : OrderedObject(values.begin(), values.end()) {}
  OrderedObject(const OrderedObject& other) : entries_(other.entries_) { index_all(); }
  OrderedObject(OrderedObject&& other) noexcept { swap(other); }
  OrderedObject& operator=(OrderedObject other) noexcept {
    swap(other);
    return *this;
  }
  ~OrderedObject() = default;

  iterator begin() { return entries_.begin(); }
  iterator end() { return entries_.end(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }
  const_iterator cbegin() const { return entries_.begin(); }
  const_iterator cend() const { return entries_.end(); }
  bool empty() const { return entries_.empty(); }
  size_type size() const { return entries_.size(); }
  size_type max_size() const { return std::numeric_limits<difference_type>::max(); }
  void clear() {
    index_.reset();
    entries_.clear();
  }
  void swap(OrderedObject& other) noexcept {
    entries_.swap(other.entries_);
    index_.swap(other.index_);
  }

  iterator find(std::string_view key) {
    if (index_) {
      const auto found = index_->find(key);
      return found == index_->end() ? end() : found->second;
    }
    iterator at = begin();
    while (at != end() && at->first != key) ++at;
    return at;
  }
  const_iterator find(std::string_view key) const {
    return const_cast<OrderedObject&>(*this).find(key);
  }
  size_type count(std::string_view key) const { return find(key) == end() ? 0 : 1; }

  template <class K, class... Values>
  std::pair<iterator, bool> emplace(K&& key, Values&&... value) {
    if (const iterator found = find(key); found != end()) return {found, false};
    entries_.emplace_back(std::piecewise_construct, std::forward_as_tuple(std::forward<K>(key)),
                          std::forward_as_tuple(std::forward<Values>(value)...));
    const iterator added = std::prev(end());
    if (index_)
      index_->emplace(added->first, added);
    else
      index_all();
    return {added, true};
  }
  template <class K>
  mapped_type& operator[](K&& key) {
    return emplace(std::forward<K>(key)).first->second;
  }
  std::pair<iterator, bool> insert(const value_type& value) {
    return emplace(value.first, value.second);
  }
  std::pair<iterator, bool> insert(value_type&& value) {
    return emplace(value.first, std::move(value.second));
  }
  template <class Iterator>
  void insert(Iterator first, Iterator last) {
    for (; first != last; ++first) emplace(first->first, first->second);
  }

  iterator erase(const_iterator at) {
    if (index_) index_->erase(std::string_view(at->first));
    return entries_.erase(at);
  }
  iterator erase(const_iterator first, const_iterator last) {
    while (first != last) first = erase(first);
    return entries_.erase(last, last);
  }
  size_type erase(std::string_view key) {
    const iterator found = find(key);
    if (found == end()) return 0;
    erase(found);
    return 1;
  }

  friend bool operator==(const OrderedObject& a, const OrderedObject& b) {
    return a.entries_ == b.entries_;
  }
  friend bool operator<(const OrderedObject& a, const OrderedObject& b) {
    return a.entries_ < b.entries_;
  }

 private:
  static constexpr size_type kLargestWithoutIndex = 16;

  void index_all() {
    if (size() <= kLargestWithoutIndex) return;
    index_ = std::make_unique<Index>();
    for (iterator at = begin(); at != end(); ++at) index_->emplace(at->first, at);
  }

  using Index = std::map<std::string_view, iterator>;  // views of the list's own keys

  std::list<value_type> entries_;
  std::unique_ptr<Index> index_;  // of large objects
};

}  // namespace isthmus

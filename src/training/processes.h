// The processes that train one model together, over c10d.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

namespace isthmus::training {
using torch::Tensor;

// All calls are collective: every process makes them, in the same order. Alone, they do nothing.
// Throws ResourceError when a process is lost or cannot be reached.
class Processes {
 public:
  // As torchrun, mpirun and srun say it: RANK and WORLD_SIZE, OMPI_COMM_WORLD_RANK and …_SIZE,
  // PMI_RANK and PMI_SIZE, or SLURM_PROCID and SLURM_NTASKS; MASTER_ADDR (this machine where it is
  // not set) and MASTER_PORT (29500). Without any of them: one process. Waits up to
  // ISTHMUS_RENDEZVOUS_SECONDS (300) for the others. Throws UsageError for values that are none.
  static std::shared_ptr<Processes> from_environment();
  static std::shared_ptr<Processes> alone();
  virtual ~Processes() = default;

  int64_t rank() const { return rank_; }
  int64_t world() const { return world_; }
  bool is_first() const { return rank_ == 0; }

  // Each tensor becomes the sum over all processes; they travel as one message.
  virtual void add_up(std::span<const Tensor> tensors) = 0;
  // The tensors of process `from` for all, as one message.
  virtual void hand_out(std::span<const Tensor> tensors, int64_t from) = 0;
  // What every process says, by rank, for all.
  virtual std::vector<std::string> gather(const std::string& own) = 0;

  double sum(double own);
  bool any(bool own) { return sum(own ? 1 : 0) > 0; }
  void wait() { sum(0); }

 protected:
  Processes(int64_t rank, int64_t world) : rank_(rank), world_(world) {}

 private:
  int64_t rank_, world_;
};

}  // namespace isthmus::training

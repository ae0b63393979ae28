#include "alignment/decompositions.h"

#include <Eigen/Eigenvalues>
#include <Eigen/SVD>

namespace isthmus::alignment {

Vector singular_values(const Matrix& x) {
  return Eigen::BDCSVD<Eigen::MatrixXd>(x).singularValues();
}

SymmetricEigen symmetric_eigen(const Matrix& x) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(x);
  return {solver.eigenvalues(), solver.eigenvectors()};
}

}  // namespace isthmus::alignment

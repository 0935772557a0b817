// The experiments of the laboratory, one a section of the report.
#pragma once

#include <optional>

#include "base/threads.h"
#include "kernels/search.h"
#include "measure/lab/inputs.h"
#include "measure/lab/matrix.h"
#include "measure/lab/report.h"
#include "quantize/lab/loss.h"

namespace issun::measure::lab {

// What a section about one matrix is made of.
struct Subject {
  const MatrixRows& matrix;
  const InputRows* inputs = nullptr;  // what it was multiplied with; nullptr: no text was read
  uint64_t seed = 1;
  Workers& workers;
  const kernels::SearchTable& searches;

  std::string name() const;
};

Section spread_section(const Subject& subject);       // 1. the tensor itself
Section spacing_section(const Subject& subject);      // 2. where the levels are
Section granularity_section(const Subject& subject);  // 3. who shares a scale; the file formats
Section range_section(const Subject& subject);        // 4. where to clip the weights
Section input_section(const Subject& subject);        //    and what they are multiplied with
Section integer_section(const Subject& subject);      // 6. whole numbers alone
Section surgeon_section(const Subject& subject);      // 7. prune and round by the outputs

// 5. Bits for each matrix of the model. weights_of says in words what errors are weighed by;
// column_weights: of a matrix, (columns), or nullptr.
struct MixedSubject {
  std::string name;  // of the model
  const std::vector<Tensor>& matrices;
  const quantize::Importance* importance = nullptr;
  const Inputs* inputs = nullptr;
  int64_t rows = 256;
  Workers& workers;
};
Result<Section> mixed_section(const MixedSubject& subject);

// The columns that say what was lost, and their cells: error in %, SQNR, and with importance the
// weighted error.
void add_loss_columns(bool weighted, std::vector<Column>* columns);
void add_loss_cells(const quantize::lab::Loss& loss, bool weighted, std::vector<Cell>* row);

}  // namespace issun::measure::lab

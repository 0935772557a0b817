// quantize --method: how codes are found, and what a method has to know before.
#pragma once

#include "apps/commands.h"
#include "apps/json.h"
#include "apps/quantize_auto.h"
#include "quantize/quantise.h"

namespace issun::apps {

// What a method that reads a text knows before, or while, tensors are written.
struct MethodRun {
  std::unique_ptr<model::Model> model;  // what the others point to
  std::unique_ptr<quantize::Calibration> calibration;
  std::optional<quantize::Stretches> stretches;
  void tell_notes() const;
};

struct MethodFlags {
  std::string method;  // empty: not given

  void add(CLI::App& command);
  bool given() const { return !method.empty(); }
  const char* name() const { return given() ? method.c_str() : "search"; }
  // Error: flags that the method has no use for, or one that it lacks.
  Result<quantize::Method> resolve(const AutoFlags& search, const std::string& imatrix) const;
  // Whether the method, and not only a search for types, reads the calibration text.
  bool reads(const AutoFlags& search) const;
  Result<MethodRun> prepare(const std::string& model, const AutoFlags& search,
                            const quantize::Plan& plan, Workers& workers) const;
};

void add_output_errors(const quantize::TensorReport& tensor, Json* json);

}  // namespace issun::apps

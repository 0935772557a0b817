// issun: one binary, a command a job.
#include <sstream>

#include "apps/commands.h"
#include "apps/model_source.h"
#include "apps/version.h"
#include "base/quote.h"
#include "base/streams.h"

namespace issun::apps {

namespace {

// Names of several letters after a single dash, which people know from other programs and the
// parser would take for that many flags.
std::string long_name(const std::string& argument) {
  if (argument == "-ctk") return "--cache-type-k";
  if (argument == "-ctv") return "--cache-type-v";
  if (argument == "-ub") return "--ubatch-size";
  if (argument == "-md") return "--model-draft";
  if (argument == "-np") return "--parallel";
  if (argument == "-cram") return "--cache-ram";
  if (argument == "-sys") return "--system-prompt";
  if (argument == "-jf") return "--json-schema-file";
  return argument;
}

// Last first, as the parser wants them.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments;
  bool plain = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    plain = plain || argument == "--";
    if (const SourceFlag* const source = plain ? nullptr : source_flag(argument)) {
      const size_t equals = argument.find('=');
      arguments.push_back("--model");
      if (equals != std::string_view::npos) {
        arguments.push_back(with_word(*source, argument.substr(equals + 1)));
      } else if (i + 1 < argc) {
        arguments.push_back(with_word(*source, argv[++i]));
      }
      continue;
    }
    arguments.push_back(plain ? argv[i] : long_name(argv[i]));
  }
  return {arguments.rbegin(), arguments.rend()};
}

// Help and versions are answers, wrong use is none.
int explain(const CLI::App& app, const CLI::ParseError& error) {
  std::ostringstream out, err;
  const int code = app.exit(error, out, err) == 0 ? kDone : kWrongUse;
  write_out(out.str());
  tell(visible_lines(err.str()));
  return code;
}

Result<int> run(int argc, char** argv) {
  CLI::App app("issun: language models on the machine you already have", "issun");
  app.set_version_flag("--version", std::string("issun ") + kVersion);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  Action action;
  for (const auto add :
       {add_run,     add_serve,     add_inspect,  add_tokenize, add_detokenize, add_logits,
        add_verify,  add_bench,     add_synth,    add_import,   add_eval,       add_embed,
        add_rerank,  add_tokenizer, add_pretrain, add_tune,     add_merge,      add_quantize,
        add_imatrix, add_study,     add_experts,  add_pack,     add_pull,       add_list,
        add_rm,      add_ps,        add_stop}) {
    add(app, action);
  }
  try {
    app.parse(arguments_of(argc, argv));
  } catch (const CLI::ParseError& error) {
    return explain(app, error);
  }
  TRY(find_models(app));
  return action();
}

int main(int argc, char** argv) {
  prepare_streams();
  try {
    const Result<int> done = run(argc, argv);
    hide_progress();
    const Result<void> written = written_out();
    if (done && written) return *done;
    say(done ? written.error().message : done.error().message);
  } catch (const std::exception& error) {
    say(error.what());
  }
  return kFailed;
}

}  // namespace
}  // namespace issun::apps

int main(int argc, char** argv) { return issun::apps::main(argc, argv); }

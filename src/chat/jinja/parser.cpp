#include "chat/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include "chat/jinja/expression_parser.h"
#include "chat/jinja/token_stream.h"

namespace issun::chat::jinja {

namespace {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(tokens_) {}

  Result<Body> run() {
    Body body = TRY(this->body({}));
    if (!tokens_.at(TokenKind::end)) {
      return fail("line {}: '{}' without its beginning", tokens_.line(), tokens_.peek(1).text);
    }
    return body;
  }

 private:
  // Statements up to a tag whose name is one of `ends`, or the end; that tag is not consumed.
  Result<Body> body(std::initializer_list<std::string_view> ends) {
    const Nested nested(tokens_);
    TRY(nested.check());
    Body body;
    while (!tokens_.at(TokenKind::end)) {
      if (tokens_.at(TokenKind::text)) {
        body.push_back(make(StatementKind::text));
        body.back().name = tokens_.next().text;
      } else if (tokens_.at(TokenKind::output_begin)) {
        body.push_back(make(StatementKind::output));
        tokens_.next();
        body.back().expression = TRY(expressions_.expressions());
        TRY(tokens_.expect(TokenKind::output_end, "'}}'"));
      } else {
        const std::string& name = tokens_.peek(1).text;
        const bool closes = tokens_.peek(1).kind == TokenKind::name &&
                            (std::find(ends.begin(), ends.end(), name) != ends.end() ||
                             name.starts_with("end") || name == "else" || name == "elif");
        if (closes) break;
        body.push_back(TRY(block()));
      }
    }
    return body;
  }

  // body and its closing tag.
  Result<Body> body_until(std::string_view end) {
    Body body = TRY(this->body({end}));
    TRY(closing_tag(end));
    return body;
  }

  Result<void> closing_tag(std::string_view name) {
    if (!tokens_.at(TokenKind::block_begin)) {
      return fail("line {}: expected '{}', found {}", tokens_.line(), name, tokens_.here());
    }
    tokens_.next();
    TRY(tokens_.expect_name(name));
    if (name == "endblock" && tokens_.at(TokenKind::name)) tokens_.next();
    return end_tag();
  }

  Result<void> end_tag() { return tokens_.expect(TokenKind::block_end, "'%}'"); }

  Statement make(StatementKind kind) const {
    Statement statement;
    statement.kind = kind;
    statement.line = tokens_.line();
    return statement;
  }

  Result<Statement> block() {
    TRY(tokens_.expect(TokenKind::block_begin, "'{%'"));
    Statement statement = make(StatementKind::group);
    const std::string name = TRY(tokens_.identifier());
    if (name == "if") return if_(std::move(statement));
    if (name == "for") return for_(std::move(statement));
    if (name == "set") return set(std::move(statement));
    if (name == "macro") return macro(std::move(statement));
    if (name == "call") return call(std::move(statement));
    if (name == "with") return with(std::move(statement));
    if (name == "filter") {
      statement.kind = StatementKind::filter;
      statement.expression = TRY(expressions_.filters());
      TRY(end_tag());
      statement.body = TRY(body_until("endfilter"));
      return statement;
    }
    if (name == "do") {
      statement.kind = StatementKind::evaluate;
      statement.expression = TRY(expressions_.expressions());
      TRY(end_tag());
      return statement;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) return fail("line {}: {} outside of a loop", statement.line, name);
      statement.kind = name == "break" ? StatementKind::break_ : StatementKind::continue_;
      TRY(end_tag());
      return statement;
    }
    if (name == "generation" || name == "block") {
      if (name == "block") statement.name = TRY(tokens_.identifier());
      TRY(end_tag());
      statement.body = TRY(body_until(name == "block" ? "endblock" : "endgeneration"));
      return statement;
    }
    return fail("line {}: no tag named '{}' in chat templates", statement.line, name);
  }

  Result<Statement> if_(Statement statement) {
    statement.kind = StatementKind::if_;
    while (true) {
      ExpressionPtr condition = TRY(expressions_.expressions());
      TRY(end_tag());
      Body body = TRY(this->body({"elif", "else", "endif"}));
      statement.branches.push_back({std::move(condition), std::move(body)});
      if (!tokens_.peek(1).is_name("elif")) break;
      tokens_.next();
      tokens_.next();
    }
    if (tokens_.peek(1).is_name("else")) {
      TRY(closing_tag("else"));
      statement.branches.push_back({nullptr, TRY(body({"endif"}))});
    }
    TRY(closing_tag("endif"));
    return statement;
  }

  Result<Statement> for_(Statement statement) {
    statement.kind = StatementKind::for_;
    statement.target = TRY(targets("in"));
    TRY(tokens_.expect_name("in"));
    statement.expression = TRY(expressions_.expressions(false));
    if (tokens_.take_name("if")) statement.condition = TRY(expressions_.expression());
    if (tokens_.at_name("recursive")) {
      return fail("line {}: recursive loops are not supported", statement.line);
    }
    TRY(end_tag());
    ++loops_;
    Result<Body> body = this->body({"else", "endfor"});
    --loops_;
    statement.body = TRY(std::move(body));
    if (tokens_.peek(1).is_name("else")) {
      TRY(closing_tag("else"));
      statement.otherwise = TRY(this->body({"endfor"}));
    }
    TRY(closing_tag("endfor"));
    return statement;
  }

  Result<Statement> set(Statement statement) {
    statement.target = TRY(targets("="));
    if (tokens_.take_symbol("=")) {
      statement.kind = StatementKind::set;
      statement.expression = TRY(expressions_.expressions());
      TRY(end_tag());
      return statement;
    }
    statement.kind = StatementKind::set_block;
    if (tokens_.take_symbol("|")) statement.expression = TRY(expressions_.filters());
    TRY(end_tag());
    statement.body = TRY(body_until("endset"));
    return statement;
  }

  Result<Target> target() {
    if (tokens_.take_symbol("(")) {
      Target inside = TRY(targets(")"));
      TRY(tokens_.expect_symbol(")"));
      return inside;
    }
    const int line = tokens_.line();
    Target target;
    target.name = TRY(tokens_.identifier());
    if (target.name == "true" || target.name == "false" || target.name == "none") {
      return fail("line {}: cannot assign to {}", line, target.name);
    }
    if (tokens_.take_symbol(".")) target.attribute = TRY(tokens_.identifier());
    return target;
  }

  // target {, target}; a tuple when there is a comma. `end` follows.
  Result<Target> targets(std::string_view end) {
    const Nested nested(tokens_);
    TRY(nested.check());
    Target first = TRY(target());
    if (!tokens_.at_symbol(",")) return first;
    Target tuple;
    tuple.tuple.push_back(std::move(first));
    while (tokens_.take_symbol(",")) {
      if (tokens_.at_symbol(end) || tokens_.at_name(end)) break;
      tuple.tuple.push_back(TRY(target()));
    }
    return tuple;
  }

  Result<std::vector<Statement::Parameter>> parameters() {
    std::vector<Statement::Parameter> parameters;
    TRY(tokens_.expect_symbol("("));
    while (!tokens_.at_symbol(")")) {
      Statement::Parameter parameter;
      parameter.name = TRY(tokens_.identifier());
      if (tokens_.take_symbol("=")) {
        parameter.otherwise = TRY(expressions_.expression());
      } else if (!parameters.empty() && parameters.back().otherwise != nullptr) {
        return fail("line {}: parameter '{}' needs a default as well", tokens_.line(),
                    parameter.name);
      }
      parameters.push_back(std::move(parameter));
      if (!tokens_.take_symbol(",")) break;
    }
    TRY(tokens_.expect_symbol(")"));
    return parameters;
  }

  // A macro's body is not inside the loops around its definition.
  Result<Body> macro_body(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Result<Body> body = body_until(end);
    loops_ = loops;
    return body;
  }

  Result<Statement> macro(Statement statement) {
    statement.kind = StatementKind::macro;
    statement.name = TRY(tokens_.identifier());
    statement.parameters = TRY(parameters());
    TRY(end_tag());
    statement.body = TRY(macro_body("endmacro"));
    return statement;
  }

  Result<Statement> call(Statement statement) {
    statement.kind = StatementKind::call;
    statement.name = "caller";
    if (tokens_.at_symbol("(")) statement.parameters = TRY(parameters());
    statement.expression = TRY(expressions_.expression());
    if (statement.expression->kind != ExpressionKind::call) {
      return fail("line {}: expected a call in a call block", statement.line);
    }
    TRY(end_tag());
    statement.body = TRY(macro_body("endcall"));
    return statement;
  }

  Result<Statement> with(Statement statement) {
    statement.kind = StatementKind::with;
    while (!tokens_.at(TokenKind::block_end)) {
      Target target = TRY(this->target());
      TRY(tokens_.expect_symbol("="));
      statement.assignments.emplace_back(std::move(target), TRY(expressions_.expression()));
      if (!tokens_.take_symbol(",")) break;
    }
    TRY(end_tag());
    statement.body = TRY(body_until("endwith"));
    return statement;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int loops_ = 0;  // around the current position
};

}  // namespace

Result<Body> parse(std::string_view source) { return Parser(TRY(tokenize(source))).run(); }

}  // namespace issun::chat::jinja

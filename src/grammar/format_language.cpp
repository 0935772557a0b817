#include "grammar/format_language.h"

#include <fmt/format.h>

#include <string>

#include "grammar/regex.h"

namespace issun::grammar {

namespace {

// RFC 3339, with the days of each month.
std::string full_date() {
  const std::string leap =
      "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
  return "(?:\\d{4}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])"
         "|\\d{4}-(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)"
         "|\\d{4}-02-(?:0[1-9]|1\\d|2[0-8])|" +
         leap + "-02-29)";
}

// Leap seconds only where the clock shows UTC.
std::string full_time() {
  return "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]"
         "\\d)"
         "|23:59:60(?:\\.\\d+)?(?:[Zz]|[+-]00:00))";
}

// RFC 3339, appendix A.
std::string duration() {
  const std::string time = "T(?:\\d+S|\\d+M(?:\\d+S)?|\\d+H(?:\\d+M(?:\\d+S)?)?)";
  const std::string date = "(?:\\d+D|\\d+M(?:\\d+D)?|\\d+Y(?:\\d+M(?:\\d+D)?)?)";
  return "P(?:" + date + "(?:" + time + ")?|" + time + "|\\d+W)";
}

std::string ipv4() {
  const std::string byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  return byte + "(?:\\." + byte + "){3}";
}

// RFC 3986, section 3.2.2.
std::string ipv6() {
  const std::string group = "[0-9A-Fa-f]{1,4}";
  const std::string last = "(?:" + group + ":" + group + "|" + ipv4() + ")";
  std::string choice = "(?:(?:" + group + ":){6}" + last;
  for (int after = 5; after >= 0; --after) {
    const int before = 5 - after;  // groups allowed in front of "::", less one
    const std::string front =
        before == 0 ? "" : fmt::format("(?:(?:{}:){{0,{}}}{})?", group, before - 1, group);
    choice += fmt::format("|{}::(?:{}:){{{}}}{}", front, group, after, last);
  }
  choice += fmt::format("|(?:(?:{0}:){{0,5}}{0})?::{0}", group);
  choice += fmt::format("|(?:(?:{0}:){{0,6}}{0})?::", group);
  return choice + ")";
}

constexpr const char* kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
std::string host() { return fmt::format("{0}(?:\\.{0})*", kLabel); }

// RFC 5321, section 4.1.2.
std::string mailbox() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
  const std::string local =
      "(?:" + atom + "(?:\\." + atom + ")*|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")";
  return local + "@(?:" + host() + "|\\[" + ipv4() + "\\]|\\[IPv6:" + ipv6() + "\\])";
}

// RFC 3986, appendix A.
std::string uri(bool absolute) {
  const std::string escaped = "%[0-9A-Fa-f]{2}";
  const std::string segment = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|" + escaped + ")";
  const std::string first = "(?:[A-Za-z0-9._~!$&'()*+,;=@-]|" + escaped + ")";  // without ':'
  const std::string user = "(?:[A-Za-z0-9._~!$&'()*+,;=:-]|" + escaped + ")*@";
  const std::string name = "(?:[A-Za-z0-9._~!$&'()*+,;=-]|" + escaped + ")*";
  const std::string literal =
      "\\[(?:" + ipv6() + "|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]";
  const std::string authority = "(?:" + user + ")?(?:" + literal + "|" + name + ")(?::\\d*)?";
  const std::string rest = "(?:/" + segment + "*)*";
  const std::string path = "(?://" + authority + rest + "|/(?:" + segment + "+" + rest + ")?|" +
                           (absolute ? segment : first) + "+" + rest + "|)";
  const std::string tail = "(?:" + segment + "|[/?])*";
  return (absolute ? "[A-Za-z][A-Za-z0-9+.-]*:" : "") + path + "(?:\\?" + tail + ")?(?:#" + tail +
         ")?";
}

std::string pointer() { return "(?:/(?:[^/~]|~[01])*)*"; }

// RFC 6570, section 2.
std::string uri_template() {
  const std::string name = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})";
  const std::string variable = name + "(?:\\.?" + name + ")*(?:\\*|:[1-9]\\d{0,3})?";
  return "(?:[^\\x00-\\x20\"%<>\\\\^`{|}\\x7F-\\x9F]|%[0-9A-Fa-f]{2}|\\{[+#./;?&=,!@|]?" +
         variable + "(?:," + variable + ")*\\})*";
}

Result<FormatLanguage> whole(const std::string& pattern, bool exact = true) {
  return FormatLanguage{TRY(parse_regex("^(?:" + pattern + ")$")), exact};
}

// At most 253 characters. "--" third and fourth in a label marks encoded names, whose rules are not
// regular in any useful size: none of them.
Result<FormatLanguage> host_name() {
  const Dfa names = TRY(parse_regex("^" + host() + "$"));
  const Dfa encoded = TRY(parse_regex("(?:^|\\.)[^.]{2}--"));
  const Dfa plain = TRY(Dfa::both(names, TRY(encoded.complement())));
  return FormatLanguage{TRY(Dfa::both(plain, TRY(parse_regex("^.{1,253}$")))), false};
}

}  // namespace

Result<std::optional<FormatLanguage>> format_language(std::string_view name) {
  if (name == "date") return TRY(whole(full_date()));
  if (name == "time") return TRY(whole(full_time(), false));
  if (name == "date-time") return TRY(whole(full_date() + "[Tt]" + full_time(), false));
  if (name == "duration") return TRY(whole(duration()));
  if (name == "email") return TRY(whole(mailbox(), false));
  if (name == "hostname") return TRY(host_name());
  if (name == "ipv4") return TRY(whole(ipv4()));
  if (name == "ipv6") return TRY(whole(ipv6()));
  if (name == "uri") return TRY(whole(uri(true)));
  if (name == "uri-reference") return TRY(whole(uri(true) + "|" + uri(false)));
  if (name == "uri-template") return TRY(whole(uri_template()));
  if (name == "uuid") return TRY(whole("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"));
  if (name == "json-pointer") return TRY(whole(pointer()));
  if (name == "relative-json-pointer") return TRY(whole("(?:0|[1-9]\\d*)(?:#|" + pointer() + ")"));
  for (const std::string_view other :
       {"idn-email", "idn-hostname", "iri", "iri-reference", "regex"}) {
    if (name == other) return fail("the format '{}' is not supported", name);
  }
  return std::optional<FormatLanguage>();
}

}  // namespace issun::grammar

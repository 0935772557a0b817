// What a person at the terminal sees besides answers: sentences and progress, all on stderr.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace issun::apps {

// A sentence, with the program's name before it. Control characters but line ends are shown as
// \xNN, since the text may come from a file.
void say(const std::string& message);
// Text as it is.
void tell(std::string_view text);

// Dimmed where stderr is a terminal.
std::string dim(const std::string& text);

// One line that says what is being waited for, in the place of the one before; nothing where
// stderr is no terminal. say() and tell() hide it; hide it before anything goes to stdout.
void show_progress(const std::string& line);
void hide_progress();

// For those who report (done, total): a line with the percentage and the file's name.
std::function<void(int64_t, int64_t)> percent_written(const std::string& path);

}  // namespace issun::apps

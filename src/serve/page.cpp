#include "serve/page.h"

#include <array>

#include "base/embedded_file.h"

ISSUN_EMBED(page_index, ISSUN_PAGE "/index.html")
ISSUN_EMBED(page_style, ISSUN_PAGE "/style.css")
ISSUN_EMBED(page_favicon, ISSUN_PAGE "/favicon.svg")
ISSUN_EMBED(page_api, ISSUN_PAGE "/api.js")
ISSUN_EMBED(page_blocks, ISSUN_PAGE "/blocks.js")
ISSUN_EMBED(page_code, ISSUN_PAGE "/code.js")
ISSUN_EMBED(page_composer, ISSUN_PAGE "/composer.js")
ISSUN_EMBED(page_conversation, ISSUN_PAGE "/conversation.js")
ISSUN_EMBED(page_dom, ISSUN_PAGE "/dom.js")
ISSUN_EMBED(page_files, ISSUN_PAGE "/files.js")
ISSUN_EMBED(page_generation, ISSUN_PAGE "/generation.js")
ISSUN_EMBED(page_inline, ISSUN_PAGE "/inline.js")
ISSUN_EMBED(page_keeper, ISSUN_PAGE "/keeper.js")
ISSUN_EMBED(page_main, ISSUN_PAGE "/main.js")
ISSUN_EMBED(page_markdown, ISSUN_PAGE "/markdown.js")
ISSUN_EMBED(page_panel, ISSUN_PAGE "/panel.js")
ISSUN_EMBED(page_scroll, ISSUN_PAGE "/scroll.js")
ISSUN_EMBED(page_server, ISSUN_PAGE "/server.js")
ISSUN_EMBED(page_settings, ISSUN_PAGE "/settings.js")
ISSUN_EMBED(page_sidebar, ISSUN_PAGE "/sidebar.js")
ISSUN_EMBED(page_store, ISSUN_PAGE "/store.js")
ISSUN_EMBED(page_text, ISSUN_PAGE "/text.js")
ISSUN_EMBED(page_theme, ISSUN_PAGE "/theme.js")
ISSUN_EMBED(page_view, ISSUN_PAGE "/view.js")

namespace issun::serve {

namespace {

constexpr const char* kScript = "text/javascript; charset=utf-8";

Asset asset(std::string_view path, std::string_view type, std::span<const std::byte> bytes) {
  return {path, type, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
}

}  // namespace

std::span<const Asset> page_assets() {
  static const auto assets = std::to_array<Asset>({
      asset("/", "text/html; charset=utf-8", page_index()),
      asset("/page/style.css", "text/css; charset=utf-8", page_style()),
      asset("/page/favicon.svg", "image/svg+xml", page_favicon()),
      asset("/page/api.js", kScript, page_api()),
      asset("/page/blocks.js", kScript, page_blocks()),
      asset("/page/code.js", kScript, page_code()),
      asset("/page/composer.js", kScript, page_composer()),
      asset("/page/conversation.js", kScript, page_conversation()),
      asset("/page/dom.js", kScript, page_dom()),
      asset("/page/files.js", kScript, page_files()),
      asset("/page/generation.js", kScript, page_generation()),
      asset("/page/inline.js", kScript, page_inline()),
      asset("/page/keeper.js", kScript, page_keeper()),
      asset("/page/main.js", kScript, page_main()),
      asset("/page/markdown.js", kScript, page_markdown()),
      asset("/page/panel.js", kScript, page_panel()),
      asset("/page/scroll.js", kScript, page_scroll()),
      asset("/page/server.js", kScript, page_server()),
      asset("/page/settings.js", kScript, page_settings()),
      asset("/page/sidebar.js", kScript, page_sidebar()),
      asset("/page/store.js", kScript, page_store()),
      asset("/page/text.js", kScript, page_text()),
      asset("/page/theme.js", kScript, page_theme()),
      asset("/page/view.js", kScript, page_view()),
  });
  return assets;
}

}  // namespace issun::serve

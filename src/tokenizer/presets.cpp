#include "tokenizer/presets.h"

namespace issun::tokenizer {
namespace {

// The patterns are those of the tokenizer.json files of the models, as the reference engine applies
// them: it knows \p{Lu}, \p{Ll} and their kin only as \p{L}, so that among letters only a-z and A-Z
// have a case. Contractions are a matter of ASCII everywhere.
#define CONTRACTIONS "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
#define SPACES_TO_LINE_END "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORD "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define OTHERS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define OTHERS_AND_SLASHES "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
// Words whose case changes at most once, from upper to lower, with a contraction at the end
// (gpt-4o).
#define CASED_WORD(UPPER, LOWER, SUFFIX)                                                        \
  "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" SUFFIX "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
  "*" SUFFIX

constexpr Stage kGpt2Words = {
    .pattern =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"};
constexpr Stage kLlama3Words = {.pattern =
                                    CONTRACTIONS WORD "|\\p{N}{1,3}" OTHERS SPACES_TO_LINE_END};
constexpr Stage kQwen2Words = {.pattern = CONTRACTIONS WORD "|\\p{N}" OTHERS SPACES_TO_LINE_END};
constexpr Stage kDigit = {.pattern = "\\p{N}"};
constexpr Stage kDigits = {.pattern = "\\p{N}+"};
constexpr Stage kThreeDigits = {.pattern = "[0-9][0-9][0-9]"};
constexpr Stage kLines = {.pattern = "[^\\n]+|[\\n]+"};
constexpr Stage kLineEnd = {.pattern = "[\\r\\n]"};
// U+3000 and its kin are whitespace before they are anything else.
constexpr Stage kEastAsian = {.pattern = "[一-龥ࠀ-一가-\uD7FF--\\s]+"};
constexpr Stage kPunctuatedWords = {.pattern =
                                        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
                                        "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                                        "| ?[\\p{P}\\p{S}]+[\\r\\n]*" SPACES_TO_LINE_END};

constexpr Stage kThousands = {.kind = Stage::Thousands, .pattern = {}};
constexpr Stage kTrailing = {.kind = Stage::Trailing, .pattern = {}};

constexpr Stage kGpt2[] = {kGpt2Words};
constexpr Stage kStarcoder[] = {kDigit, kGpt2Words};
constexpr Stage kFalcon[] = {{.pattern = "[\\p{P}$+<=>\\^~|`]+"}, kGpt2Words, kThreeDigits};
constexpr Stage kDefault[] = {
    {.pattern = "[\\p{P}$+<=>\\^~|]+"}, kGpt2Words, kDigits, kThreeDigits};
constexpr Stage kLlama3[] = {kLlama3Words};
constexpr Stage kMiniCpm5[] = {{.pattern = "\\p{N}{1,3}"},
                               {.pattern = CONTRACTIONS WORD "|\\p{N}+" OTHERS SPACES_TO_LINE_END}};
constexpr Stage kJais2[] = {
    {.pattern = CONTRACTIONS WORD
     "|\\p{N}{1,3}" OTHERS
     "|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)"
     "|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s"}};
constexpr Stage kQwen2[] = {kQwen2Words};
constexpr Stage kLaguna[] = {kLines, kQwen2Words};
constexpr Stage kQwen35[] = {{.pattern = CONTRACTIONS
                              "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                              "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" SPACES_TO_LINE_END}};
constexpr Stage kBailing[] = {
    {.pattern = CONTRACTIONS WORD "|\\p{N}" OTHERS "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}};
constexpr Stage kSeedCoder[] = {
    {.pattern = CONTRACTIONS WORD "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" SPACES_TO_LINE_END}};
constexpr Stage kTekken[] = {
    {.pattern = CASED_WORD("[\\p{L}--a-z]", "[\\p{L}--A-Z]",
                           "") "|\\p{N}" OTHERS_AND_SLASHES SPACES_TO_LINE_END}};
constexpr Stage kGpt4o[] = {
    {.pattern =
         CASED_WORD("[\\p{L}--a-z]", "[\\p{L}--A-Z]",
                    "(?:" CONTRACTIONS ")?") "|\\p{N}{1,3}" OTHERS_AND_SLASHES SPACES_TO_LINE_END}};
constexpr Stage kGraniteMultilingual[] = {
    {.pattern =
         CASED_WORD("[\\p{L}\\p{M}--a-z]", "[\\p{L}\\p{M}--A-Z]",
                    "(?:" CONTRACTIONS ")?") "|\\p{N}{1,3}" OTHERS_AND_SLASHES SPACES_TO_LINE_END}};
constexpr Stage kTinyAya[] = {
    kThousands,
    {.pattern = "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+(?:" CONTRACTIONS ")?"
                "|\\p{N}{1,3}" OTHERS_AND_SLASHES SPACES_TO_LINE_END}};
constexpr Stage kYoutu[] = {
    {.pattern = "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-"
                "龥぀-ゟ゠-ヿ]+"},
    {.pattern = "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+(?:" CONTRACTIONS ")?"
                "|\\p{N}" OTHERS_AND_SLASHES SPACES_TO_LINE_END}};
constexpr Stage kKimi[] = {
    {.pattern = "\\p{Han}+|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}--\\p{Han}]+(?:" CONTRACTIONS ")?"
                "|\\p{N}{1,3}" OTHERS SPACES_TO_LINE_END}};
// The formatter never agrees with itself about these letters.
// clang-format off
constexpr Stage kDeepSeekLlm[] = {
    kLineEnd,
    {.pattern = "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-"
                "Ᏽᏸ-"
                "ᏽᲐ-"
                "ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ"
                "Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-"
                "ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎ"
                "ↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-"
                "𐓓𐓘-"
                "𐓻𐲀-"
                "𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"},
    {.pattern = "\\s?[!-/:-~！-／：-～‘-‟、-。]+"},
    kTrailing,
    kEastAsian,
    kDigits};
// clang-format on
constexpr Stage kDeepSeekCoder[] = {
    kLineEnd, {.pattern = "\\s?\\p{L}+"}, {.pattern = "\\s?\\p{P}+"}, kEastAsian, kDigit};
constexpr Stage kDeepSeek3[] = {
    {.pattern = "\\p{N}{1,3}"}, {.pattern = "[一-龥぀-ゟ゠-ヿ]+"}, kPunctuatedWords};
constexpr Stage kAfmoe[] = {
    kThousands,
    {.pattern = "[一-鿿㐀-䶿\uF900-\uFAFF぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-"
                "໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+"},
    kPunctuatedWords};
constexpr Stage kSuperBpe[] = {kDigits, kThousands};
constexpr Stage kBloom[] = {{.pattern = " ?[^(\\s|.,!?…。，、।۔،)]+"}};
constexpr Stage kViking[] = {{.pattern = " ?[^(\\s|.,!?…。，、।۔،)]+"}, kDigit};
constexpr Stage kGemma4[] = {kLines};

constexpr Preset kPresets[] = {
    {.names = "default", .stages = kDefault, .clean_spaces = true},
    {.names =
         "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert"
         " mpt olmo jais exaone4 jina-v1-en jina-v2-code roberta-bpe",
     .stages = kGpt2,
     .clean_spaces = true},
    {.names = "trillion granite-docling", .stages = kGpt2},
    {.names = "starcoder refact codeshell exaone minerva-7b mellum2",
     .stages = kStarcoder,
     .clean_spaces = true},
    {.names = "smollm command-r", .stages = kStarcoder},
    {.names = "falcon", .stages = kFalcon, .clean_spaces = true},
    {.names = "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     .stages = kLlama3,
     .add_bos = true,
     .whole_words = true,
     .clean_spaces = true},
    {.names = "dbrx smaug-bpe chatglm-bpe glm4", .stages = kLlama3, .clean_spaces = true},
    {.names = "minicpm5", .stages = kMiniCpm5, .whole_words = true, .clean_spaces = true},
    {.names = "jais-2", .stages = kJais2, .clean_spaces = true},
    {.names = "qwen2 deepseek-r1-qwen kormo f2llmv2 hunyuan solar-open grok-2", .stages = kQwen2},
    {.names = "stablelm2 megrez", .stages = kQwen2, .clean_spaces = true},
    {.names = "qwen35", .stages = kQwen35},
    {.names = "laguna", .stages = kLaguna},
    {.names = "bailingmoe bailingmoe2 llada-moe", .stages = kBailing},
    {.names = "seed-coder", .stages = kSeedCoder},
    {.names = "tekken", .stages = kTekken, .add_bos = true, .whole_words = true},
    {.names = "gpt-4o llama4 kanana2 talkie minimax-m2", .stages = kGpt4o},
    {.names = "granite-embed-multi-97m", .stages = kGraniteMultilingual, .whole_words = true},
    {.names = "tiny_aya cohere2moe", .stages = kTinyAya},
    {.names = "youtu", .stages = kYoutu, .whole_words = true},
    {.names = "kimi-k2", .stages = kKimi},
    {.names = "deepseek-llm", .stages = kDeepSeekLlm},
    {.names = "deepseek-coder", .stages = kDeepSeekCoder},
    {.names = "deepseek-v3 hunyuan-dense joyai-llm", .stages = kDeepSeek3},
    {.names = "afmoe", .stages = kAfmoe},
    {.names = "superbpe", .stages = kSuperBpe},
    {.names = "poro-chat", .stages = kBloom},
    {.names = "bloom gpt3-finnish", .stages = kBloom, .clean_spaces = true},
    {.names = "viking", .stages = kViking},
    {.names = "gemma4 granite-embed-multi-311m",
     .stages = kGemma4,
     .add_bos = true,
     .clean_spaces = true,
     .spaces_as_marks = true},
};

}  // namespace

const Preset* find_preset(std::string_view name) {
  if (name.empty() || name.find(' ') != std::string_view::npos) return nullptr;
  for (const Preset& preset : kPresets) {
    for (std::string_view rest = preset.names; !rest.empty();) {
      const size_t end = rest.find(' ');
      if (rest.substr(0, end) == name) return &preset;
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
  }
  return nullptr;
}

std::span<const Preset> presets() { return kPresets; }

std::string preset_names() {
  std::string names;
  for (const Preset& preset : kPresets) {
    if (!names.empty()) names += ' ';
    names += preset.names;
  }
  return names;
}

}  // namespace issun::tokenizer

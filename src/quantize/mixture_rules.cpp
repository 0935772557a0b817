#include "quantize/mixture_rules.h"

namespace issun::quantize {

namespace {

constexpr const char* kLowest = " IQ1_S IQ1_M IQ2_XXS IQ2_XS ";

constexpr Rule kRules[] = {
    {" IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS ", Role::Output, When::Always, DType::Q5_K},
    {" Q8_0 ", Role::Output, When::Always, DType::Q8_0},

    {kLowest, Role::Embedding, When::Always, DType::Q2_K},
    {" IQ2_S IQ2_M IQ3_XXS ", Role::Embedding, When::Always, DType::IQ3_S},
    {" TQ1_0 TQ2_0 Q2_0 ", Role::Embedding, When::Always, DType::Q4_K},

    {kLow, Role::Value, When::GroupedOrExperts, DType::Q4_K},
    {" IQ2_S IQ2_M ", Role::Value, When::Always, DType::IQ3_S},
    {kLowest, Role::Value, When::Always, DType::Q2_K},
    {" Q2_K Q2_K_S IQ3_XXS IQ3_XS IQ3_S ", Role::Value, When::Grouped, DType::Q4_K},
    {" Q2_K ", Role::Value, When::Always, DType::Q3_K},
    {" IQ3_XXS ", Role::Value, When::WithoutImportance, DType::IQ3_S},
    {" IQ3_M ", Role::Value, When::Always, DType::Q4_K},
    {" Q3_K_M ", Role::Value, When::FirstTwo, DType::Q5_K},
    {" Q3_K_M ", Role::Value, When::Always, DType::Q4_K},
    {" Q3_K_L ", Role::Value, When::Always, DType::Q5_K},
    {" IQ4_NL IQ4_XS ", Role::Value, When::Grouped, DType::Q5_K},
    {" Q4_K_M Q5_K_M ", Role::Value, When::MoreBits, DType::Q6_K},
    {" Q4_K_S ", Role::Value, When::FirstFour, DType::Q5_K},

    {kLow, Role::Key, When::EightExperts, DType::Q4_K},
    {nullptr, Role::Key, When::EightExperts, DType::Q8_0},
    {" IQ3_XS ", Role::Key, When::Always, DType::IQ3_XXS},
    {" IQ3_XXS ", Role::Key, When::Always, DType::IQ2_S},
    {" IQ3_XS ", Role::Query, When::Always, DType::IQ3_XXS},
    {" IQ3_XXS ", Role::Query, When::Always, DType::IQ2_S},

    {" IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M Q2_K Q3_K_S Q3_K_M Q4_K_S Q4_K_M IQ3_XXS IQ3_XS "
     "IQ3_S IQ3_M IQ4_NL "
     "IQ4_XS ",
     Role::AttentionOutput, When::EightExperts, DType::Q5_K},
    {" Q3_K_L ", Role::AttentionOutput, When::EightExperts, DType::Q3_K},
    {" IQ1_S IQ1_M ", Role::AttentionOutput, When::Always, DType::IQ2_XXS},
    {" IQ2_S IQ2_M IQ3_XXS ", Role::AttentionOutput, When::Always, DType::IQ3_S},
    {" Q2_K ", Role::AttentionOutput, When::Always, DType::Q3_K},
    {" Q3_K_M IQ3_M ", Role::AttentionOutput, When::Always, DType::Q4_K},
    {" Q3_K_L ", Role::AttentionOutput, When::Always, DType::Q5_K},

    {" IQ2_S IQ2_M ", Role::Down, When::FirstEighth, DType::IQ3_S},
    {kLowest, Role::Down, When::FirstEighth, DType::Q2_K},
    {" Q2_K ", Role::Down, When::Always, DType::Q3_K},
    {" Q2_K_S IQ3_M ", Role::Down, When::FirstEighth, DType::Q4_K},
    {" IQ3_M ", Role::Down, When::EightExpertsMoreBits, DType::Q4_K},
    {" IQ3_XXS ", Role::Down, When::FirstEighthWithoutImportance, DType::Q4_K},
    {" IQ3_XXS ", Role::Down, When::WithoutImportance, DType::Q3_K},
    {" Q3_K_M ", Role::Down, When::FirstSixteenth, DType::Q5_K},
    {" Q3_K_M ", Role::Down, When::Always, DType::Q4_K},
    {" Q3_K_L ", Role::Down, When::Always, DType::Q5_K},
    {" Q4_K_M Q5_K_M ", Role::Down, When::MoreBits, DType::Q6_K},
    {" IQ4_NL IQ4_XS ", Role::Down, When::FirstEighthWithoutImportance, DType::Q5_K},
    {" Q4_K_S ", Role::Down, When::FirstEighth, DType::Q5_K},
    {" Q4_0 ", Role::Down, When::FirstEighthWithImportance, DType::Q4_1},
    {" Q5_0 ", Role::Down, When::FirstEighthWithImportance, DType::Q5_1},

    {" IQ3_XS ", Role::Gate, When::Middle, DType::IQ3_XXS},
    {" IQ3_XS ", Role::Up, When::Middle, DType::IQ3_XXS},
};

}  // namespace

std::span<const Rule> mixture_rules() { return kRules; }

}  // namespace issun::quantize

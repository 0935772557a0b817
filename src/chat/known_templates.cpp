#include "chat/known_templates.h"

#include "base/quote.h"

namespace issun::chat {

namespace {

struct KnownTemplate {
  std::string_view name, source;
};

constexpr KnownTemplate kTemplates[] = {
    {"chatml",
     "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
     "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"},
    {"gemma",
     "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
     "{{ raise_exception('no place for a system text') }}{% endif %}<start_of_turn>"
     "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
     "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"},
    {"llama2",
     "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
     "{% set ns.system = '<<SYS>>\n' + m.content + '\n<</SYS>>\n\n' %}{% elif m.role == 'user' %}"
     "{{ bos_token }}[INST] {{ ns.system }}{{ m.content }} [/INST]{% set ns.system = '' %}"
     "{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"},
    {"llama3",
     "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
     "{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
     "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"},
    {"phi3",
     "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
     "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"},
    {"zephyr",
     "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
     "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"},
};

}  // namespace

std::string known_template_names() {
  std::string names;
  for (const KnownTemplate& known : kTemplates)
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  return names;
}

Result<std::string> template_named(std::string_view text) {
  for (const KnownTemplate& known : kTemplates) {
    if (known.name == text) return std::string(known.source);
  }
  const bool jinja =
      text.find("{%") != std::string_view::npos || text.find("{{") != std::string_view::npos;
  if (jinja) return std::string(text);
  return fail("chat template: expected Jinja or one of {}, found '{}'", known_template_names(),
              visible(text.substr(0, 40)));
}

}  // namespace issun::chat

"""Quantisations in file names, and which of them to take."""

import pytest

from kensho_tui.models.gguf.ggml_types import FILE_TYPES
from kensho_tui.models.hub.quantisations import BITS, bits_of, matches, quantisation_of, spelled, stem_without
from kensho_tui.models.hub.recommend import Choice, recommend


@pytest.mark.parametrize(
    ("path", "quantisation"),
    [
        ("Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        ("tinyllama-1.1b-chat-v1.0.Q5_K_S.gguf", "Q5_K_S"),
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("model.i1-IQ3_XXS.gguf", "IQ3_XXS"),
        ("Qwen3-8B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("UD-IQ1_S/DeepSeek-UD-IQ1_S-00001-of-00003.gguf", "UD-IQ1_S"),
        ("Q8_0/model-00001-of-00002.gguf", "Q8_0"),
        ("ggml-model-f16.gguf", "F16"),
        ("Phi-3-mini-4k-instruct-fp16.gguf", "F16"),
        ("Phi-3-mini-4k-instruct-q4.gguf", "Q4_K_M"),
        ("model-BF16.gguf", "BF16"),
        ("model_f32.gguf", "F32"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("gpt-oss-20b-MXFP4_MOE.gguf", "MXFP4"),
        ("model-Q4_0_4_4.gguf", "Q4_0_4_4"),
        ("model-TQ1_0.gguf", "TQ1_0"),
        ("gemma-3-4b-it-IQ4_NL.gguf", "IQ4_NL"),
        ("model-Q6_K_L.gguf", "Q6_K_L"),
        ("model-F16-Q8_0.gguf", "Q8_0"),
        ("model.gguf", ""),
        ("SeQ4_Know.gguf", ""),
        ("q4_k_model.gguf", "Q4_K"),
        ("", ""),
    ],
)
def test_the_name_tells(path: str, quantisation: str) -> None:
    assert quantisation_of(path) == quantisation


def test_every_recipe_of_llama_cpp_has_its_bits() -> None:
    assert [name for name in FILE_TYPES.values() if not bits_of(spelled(name))] == []
    assert all(quantisation_of(f"model-{name}.gguf") == name for name in BITS)


def test_bits_of_mixes_and_of_what_nobody_knows() -> None:
    assert bits_of("UD-Q4_K_M") == bits_of("Q4_K_M") > 4
    assert bits_of("IQ4_KSS") == bits_of("") == 0


@pytest.mark.parametrize(
    ("wanted", "quantisation", "meant"),
    [
        ("q4_k_m", "Q4_K_M", True),
        ("Q4_K_M", "UD-Q4_K_M", False),
        ("ud-q4_k_xl", "UD-Q4_K_XL", True),
        ("fp16", "F16", True),
        ("Q4", "Q4_K_M", True),
        ("Q4_K", "Q4_K_M", False),
    ],
)
def test_what_a_person_asks_for(wanted: str, quantisation: str, meant: bool) -> None:
    assert matches(wanted, quantisation) is meant


def test_files_of_one_model_share_a_stem() -> None:
    assert stem_without("a/Model-Q4_K_M.gguf") == stem_without("Model-f16.gguf")
    assert stem_without("Model-Q4_K_M.gguf") != stem_without("Model-draft-Q4_K_M.gguf")


GB = 1 << 30
ALL = "Q2_K Q3_K_M IQ4_XS Q4_0 Q4_K_S Q4_K_M Q5_K_M Q6_K Q8_0 F16"


def choices(names: str, parameters: float, most: float = 1e12, decent: float = 1e12) -> list[Choice]:
    """Files of a model of so many parameters, where `most` bytes fit and `decent` leave room."""
    found = []
    for name in names.split():
        size = int(parameters * (bits_of(name) or 4.5) / 8)
        context = 8192 if size <= decent else 2048
        found.append(Choice(f"{name}.gguf", name, size, bits_of(name), size <= most, context))
    return found


@pytest.mark.parametrize(
    ("names", "parameters", "most", "taken"),
    [
        (ALL, 8e9, 1e12, "Q4_K_M"),
        (ALL, 70e9, 1e12, "Q4_K_M"),
        (ALL, 2e9, 1e12, "Q6_K"),
        (ALL, 0.5e9, 1e12, "Q8_0"),
        (ALL, 0, 1e12, "Q4_K_M"),
        ("Q4_K_M UD-Q4_K_XL", 8e9, 1e12, "Q4_K_M"),
        ("UD-Q2_K_XL UD-Q4_K_XL UD-Q6_K_XL", 8e9, 1e12, "UD-Q4_K_XL"),
        ("Q4_0 Q4_1 Q5_0 Q4_K_S", 8e9, 1e12, "Q4_K_S"),
        ("Q4_0 F16", 8e9, 1e12, "Q4_0"),
        ("Q4_0 Q8_0", 8e9, 1e12, "Q4_0"),
        ("F16", 8e9, 1e12, "F16"),
        ("F16 BF16 F32 Q8_0", 8e9, 1e12, "Q8_0"),
        ("MXFP4 F16", 20e9, 1e12, "MXFP4"),
        ("IQ4_XS Q3_K_M", 8e9, 1e12, "IQ4_XS"),
        ("IQ4_KSS Q2_K", 8e9, 1e12, "Q2_K"),
        ("Q2_K Q5_K_M", 8e9, 1e12, "Q5_K_M"),
        # What fits goes before all of it.
        (ALL, 8e9, 4.8e9, "Q4_K_S"),
        (ALL, 8e9, 4.1e9, "Q3_K_M"),
        (ALL, 8e9, 3.5e9, "Q2_K"),
        ("IQ2_M Q3_K_M Q4_K_M", 8e9, 3e9, "IQ2_M"),
        (ALL, 8e9, 1e9, None),
        ("", 8e9, 1e12, None),
    ],
)
def test_what_is_recommended(names: str, parameters: float, most: float, taken: str | None) -> None:
    found = recommend(choices(names, parameters, most), int(parameters))
    assert (found.quantisation if found else None) == taken


def test_room_for_a_conversation_goes_before_quality_but_not_below_three_bits() -> None:
    assert _taken(choices(ALL, 8e9, 1e12, decent=4.8e9)) == "Q4_K_S"
    assert _taken(choices("IQ2_M Q4_K_M", 8e9, 1e12, decent=3e9)) == "Q4_K_M"


def test_a_setting_that_gives_nobody_more_is_no_reason_to_take_less() -> None:
    some = choices("Q2_K Q4_K_M Q8_0", 8e9, decent=0)
    assert {choice.context for choice in some} == {2048} and _taken(some) == "Q4_K_M"


def _taken(some: list[Choice]) -> str:
    found = recommend(some, 8_000_000_000)
    return found.quantisation if found else ""

"""What all tests share: their own modules, and which cases of slow tests are asked each time.

`import wrong_engines` works from any test file, though in importlib mode the folder is not on the
path: these modules are loaded when first used. A test that verifies a whole program for each of its
cases is asked the first few; `--thorough` asks them all.
"""

import importlib.util
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path


def _lazily(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


# Small tensors need no second thread, and on a busy machine torch's wait for each other: ten times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A process started in the background of a shell has Ctrl-C switched off, and hands that on: some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _name in ("foreign_programs", "foreign_mistakes", "foreign_names"):
    _lazily(_name)
_lazily("adapter_mistakes")
_lazily("damage")
_lazily("drawn_features")
_lazily("function_examples")
_lazily("harmful_output")
_lazily("perceptrons")
_lazily("small_records")
_lazily("undecorated_programs")
_lazily("vjp_cases")
_lazily("wrong_engines")


# How many cases of a test that takes many seconds for each are enough for every day.
ENOUGH = {
    "test_a_bug_is_in_the_backward_pass_alone": 3,
    "test_a_case_is_replayed": 1,
    "test_a_class_is_asked_what_it_does": 1,
    "test_a_common_factor_breaks_none_but_those_that_know_a_scale": 2,
    "test_a_condition_on_the_dtype": 0,
    "test_a_death_in_a_run_is_a_finding_with_its_trial": 0,
    "test_a_death_is_told_and_the_next_question_is_answered": 1,
    "test_a_factor_is_fitted_on_the_input_that_is_wrong": 2,
    "test_a_formula_or_a_subtraction_is_no_narrower_precision": 0,
    "test_a_hint_says_so_much_and_no_more": 2,
    "test_a_kernel_that_ends_or_hangs_has_not_passed_and_is_given_up": 0,
    "test_a_lie_on_one_call_alone_is_caught": 2,
    "test_a_line_longer_than_any_buffer_is_read_whole": 3,
    "test_a_mistake_in_a_command_is_named_as_in_a_function": 0,
    "test_a_mistake_in_a_structure": 3,
    "test_a_mistake_in_branches_inside_branches_only": 0,
    "test_a_mistake_in_one_place_is_named_with_the_place": 1,
    "test_a_mistake_is_named": 3,
    "test_a_mistake_is_named_on_a_small_network": 1,
    "test_a_mistake_on_few_networks_is_caught": 1,
    "test_a_modelled_bug_is_caught": 14,
    "test_a_narrow_precision_is_named_where_errors_scatter_as_its_rounding_does": 0,
    "test_a_new_file_conforms_as_it_is": 1,
    "test_a_planted_fault_is_caught": 40,
    "test_a_planted_mistake_changes_the_answers": 3,
    "test_a_planted_mistake_gives_the_numbers_of_the_table": 30,
    "test_a_planted_mistake_is_named": 1,
    "test_a_planted_mistake_of_a_convolution_is_named": 1,
    "test_a_planted_mistake_of_moved_numbers_is_named": 3,
    "test_a_planted_mistake_of_pooling_is_named": 1,
    "test_a_planted_recurrent_mistake_is_named": 2,
    "test_a_process_that_ends_with_0_has_not_passed": 2,
    "test_a_program_conforms_with_the_claim_it_needs_and_not_without": 2,
    "test_a_program_of_the_precision_is_right_and_one_of_a_narrower_is_not": 18,
    "test_a_program_without_it_does_not_conform_to_the_claim": 1,
    "test_a_right_class_of_another_layout_conforms": 2,
    "test_a_right_one_conforms_and_its_decorator_is_printed": 8,
    "test_a_right_program_conforms": 3,
    "test_a_right_program_passes": 4,
    "test_a_right_tutorial_conforms": 2,
    "test_a_run_keeps_to_its_seconds": 3,
    "test_a_second_implementation_conforms": 2,
    "test_a_session_that_its_subject_ends_has_not_passed": 1,
    "test_a_slope_between_the_sides_is_a_convention": 2,
    "test_a_slope_that_no_right_program_has_fails": 2,
    "test_a_summary_that_says_nothing_is_no_verdict": 2,
    "test_a_tie_may_be_broken_either_way": 20,
    "test_a_wrong_backward_is_located_at_its_line": 12,
    "test_a_wrong_line_of_a_tutorial_is_named": 1,
    "test_a_wrong_loss_beside_a_wrong_gradient_is_its_own_finding": 1,
    "test_a_wrong_one_does_not_conform_by_the_name_of_its_mistake": 4,
    "test_a_wrong_rule_is_caught_and_located": 3,
    "test_a_wrong_subject_is_caught_and_told_what_is_wrong": 4,
    "test_an_adapter_conforms_by_every_check": 0,
    "test_an_answer_that_is_kept_is_state": 0,
    "test_an_engine_made_again_remembers_nothing": 60,
    "test_an_unknown_mistake_is_described": 1,
    "test_another_reduction_is_not_the_one_that_fits_the_smallest_batch": 3,
    "test_at_one_question_alone": 0,
    "test_bounds_are_finite": 12,
    "test_brain_conforms_by_every_check": 0,
    "test_cases_are_drawn_inside": 8,
    "test_cheats_are_caught_and_honest_kernels_are_not": 1,
    "test_commands_print_what_is_shown": 4,
    "test_counts_vary_between_seeds_as_of_independent_draws": 0,
    "test_drawn_networks": 1,
    "test_each_mistake_costs_its_own_row": 2,
    "test_each_separable_mistake_is_a_finding_by_its_name": 1,
    "test_every_mistake_breaks_some_identity": 2,
    "test_every_number": 40,
    "test_every_option_by_complex_step_and_balls": 12,
    "test_every_option_by_torch_and_jax": 20,
    "test_every_other_wrong_subject_is_caught": 0,
    "test_failed": 3,
    "test_from_some_question_on": 1,
    "test_functions_of_jax_and_optax_are_right": 1,
    "test_it_answers_and_leaves_all_else_alone": 300,
    "test_it_conforms": 2,
    "test_it_fails_on_a_wrong_program": 18,
    "test_it_is_judged_as_it_is_here": 5,
    "test_it_is_right_where_nothing_is_recurrent": 8,
    "test_jax_answers_several_cases_as_it_answers_each": 8,
    "test_jax_without_x64_is_not_judged": 1,
    "test_judges_that_share_no_code_kill_it": 8,
    "test_loss_gradients": 20,
    "test_no_check_fails_on_a_right_program": 11,
    "test_no_finding_points_at_a_line_that_is_right": 3,
    "test_no_name_is_false_of_a_mistake_that_the_table_does_not_have": 2,
    "test_no_network_comes_twice": 1,
    "test_nothing_is_inferred_where_no_loss_agrees": 0,
    "test_one_mistake_is_one_finding_by_its_name": 3,
    "test_only_the_faults_of_state_remember": 60,
    "test_prints_on_which_shapes_it_shows": 40,
    "test_rare_features_are_in_every_run": 2,
    "test_real_time_recurrent_learning_agrees": 12,
    "test_right_code_keeps_it": 2,
    "test_right_rules_break_nothing": 8,
    "test_right_subjects_conform": 5,
    "test_rules_with_float32_inside_are_right": 2,
    "test_share_of_generated_cases_that_show_it": 16,
    "test_steps_give_what_jax_gives": 9,
    "test_subjects_answer_as_the_reference": 1,
    "test_the_class_that_is_wrong_is_told": 1,
    "test_the_code_conforms": 3,
    "test_the_condition_is_told_with_its_counts": 1,
    "test_the_derivative_used_is_told_where_it_has_no_name": 1,
    "test_the_example": 1,
    "test_the_id_is_the_same_with_other_seeds": 1,
    "test_the_mistake_it_is_for_breaks_it": 4,
    "test_the_row_is_what_a_program_with_the_mistake_does": 14,
    "test_the_second_implementation_conforms": 2,
    "test_the_table_of_two_losses": 2,
    "test_the_verdict_depends_on_no_filter_and_no_seterr": 1,
    "test_the_verdict_is_the_exit_status_and_the_output": 1,
    "test_torch_nn_in_float32_conforms": 4,
    "test_two_mistakes_are_two_findings_by_their_names": 1,
    "test_what_a_kernel_may_not_do_is_refused_and_its_answers_do_not_count": 1,
    "test_what_else_is_wrong_is_told": 2,
    "test_what_is_handed_down_is_named_without_a_gradient_of_the_inputs": 2,
    "test_what_is_outside_is_not_covered": 5,
    "test_what_is_written_keeps_to_the_schemas": 1,
    "test_what_is_wrong_is_not": 5,
    "test_what_it_prints_goes_to_stderr_and_no_reply_is_lost": 3,
    "test_what_no_simple_condition_parts_has_none": 1,
    "test_whatever_a_subject_does_is_a_finding": 4,
    "test_where_one_hides_in_the_other_there_are_still_two": 1,
    "test_witnesses": 16,
    "test_wrong_updates_are_named": 4,
}


def pytest_configure(config):
    """The workers and programs of a run share the JAX programs they compile, and nobody else does."""
    if not hasattr(config, "workerinput"):
        config.programs = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        os.environ["BACKPROOF_CACHE"] = config.programs.name


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true",
                     help="ask every case of the tests that take many seconds for each")


def pytest_collection_modifyitems(config, items):
    """Leave out what is beyond enough, evenly, unless all is wanted or a test is asked for by name.
    """
    if config.getoption("--thorough") or any("::" in argument for argument in config.args):
        return
    cases = {}
    for item in items:
        cases.setdefault((item.path, getattr(item, "originalname", item.name)), []).append(item)
    left = {item for (_, name), these in cases.items() if len(these) > ENOUGH.get(name, len(these))
            for item in set(these) - set(spread_out(these, ENOUGH[name]))}
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def spread_out(these, count):
    """So many of them, at even distances."""
    return [these[i * len(these) // count] for i in range(count)]

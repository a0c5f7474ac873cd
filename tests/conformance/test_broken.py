"""The suite can fail: an adapter that breaks a promise is caught by it."""

from collections.abc import Sequence

import pytest
from trio.testing import MockClock

from daemon.errors import Failure
from daemon.model import Kind
from tests.conformance.broken import (
    enumerating,
    failing,
    finding,
    hearing,
    joining,
    mapping,
    reading,
    registering,
    talking,
)
from tests.conformance.broken.base import Broken, BrokenReader
from tests.conformance.harness import open_harness, same
from tests.conformance.kit import Kit, find_kits
from tests.conformance.promise import PROMISES, load_promises

load_promises()

CAUGHT_BY: Sequence[tuple[type[Broken], str, Kind | None]] = (
    (enumerating.LosesTheFirstOfAPage, "everything_is_seen_once", Kind.PRODUCTS),
    (enumerating.RepeatsTheLastOfAPage, "everything_is_seen_once", Kind.ORDERS),
    (enumerating.CountsWhatItHasRead, "nothing_is_skipped_or_repeated_while_the_store_changes", Kind.CUSTOMERS),
    (enumerating.KeepsCursorsInMemory, "a_cursor_outlives_the_process", Kind.PRODUCTS),
    (enumerating.TakesTroubleForTheEnd, "a_page_is_whole_or_a_failure", Kind.CUSTOMERS),
    (enumerating.LooksOnlyBehindThatSecond, "what_changed_since_is_seen", Kind.PRODUCTS),
    (enumerating.ReadsAllForWhatChanged, "what_changed_since_is_seen", Kind.ORDERS),
    (enumerating.LooksOnce, "an_enumeration_looks_anew", Kind.CUSTOMERS),
    (enumerating.ForgetsWhatOnlyListsTell, "what_only_lists_tell_is_seen_since", Kind.PRODUCTS),
    (enumerating.SweepsNoSettings, "what_no_webhook_tells_of_comes_with_each_sweep", Kind.STORE),
    (
        enumerating.ForgetsWhatChangedBehindAFailure,
        "what_changes_behind_a_page_that_fails_is_seen",
        Kind.CUSTOMERS,
    ),
    (enumerating.ListsTheFirstPage, "a_list_of_ids_is_whole_or_a_failure", Kind.PRODUCTS),
    (enumerating.ListsIdsByPlace, "a_list_of_ids_skips_nothing_while_the_store_changes", Kind.CUSTOMERS),
    (enumerating.StaysBroken, "a_store_that_bears_only_small_answers_is_read_all_the_same", Kind.PRODUCTS),
    (reading.InventsWhatIsNotThere, "what_is_asked_for_comes_and_nothing_else", Kind.PRODUCTS),
    (reading.ReadsAllButTheLast, "what_is_asked_for_comes_and_nothing_else", Kind.CUSTOMERS),
    (reading.ReadsOneByOne, "a_batch_costs_few_calls", Kind.CUSTOMERS),
    (reading.TrustsIds, "texts_that_are_no_ids_do_no_harm", Kind.PRODUCTS),
    (reading.TakesTroubleForAbsence, "no_trouble_passes_for_absence", Kind.ORDERS),
    (reading.NeverSaysGone, "one_is_none_only_when_it_is_gone", Kind.CUSTOMERS),
    (reading.RemembersEntities, "an_edit_is_read_at_once", Kind.PRODUCTS),
    (reading.MapsPagesInAnotherWay, "however_it_is_read_it_is_the_same", Kind.PRODUCTS),
    (finding.TakesTheFirst, "what_a_person_calls_it_leads_to_it", Kind.PRODUCTS),
    (finding.KnowsIdsOnly, "what_a_person_calls_it_leads_to_it", Kind.CUSTOMERS),
    (finding.AnswersForAll, "what_nobody_is_called_finds_nothing", Kind.ORDERS),
    (finding.FindsNothingInTrouble, "trouble_finds_nothing_by_failing", Kind.CUSTOMERS),
    (finding.NotesWhoIsLookedFor, "a_question_leaves_no_trace", Kind.PRODUCTS),
    (finding.LogsWhoIsLookedFor, "a_question_leaves_no_trace", Kind.CUSTOMERS),
    (mapping.MapsByTheClock, "mapping_is_pure", Kind.PRODUCTS),
    (mapping.MapsAnotherId, "a_value_is_whole", Kind.CUSTOMERS),
    (mapping.PricesWhatIsNoVariant, "a_value_is_whole", Kind.PRODUCTS),
    (mapping.ShowsNoLink, "a_value_is_whole", Kind.ORDERS),
    (mapping.MakesLinksUp, "links_are_of_the_facts", Kind.PRODUCTS),
    (mapping.SaysProblemsInItsOwnWay, "mistakes_are_told_in_words", Kind.CUSTOMERS),
    (mapping.HidesProblems, "mistakes_are_told_in_words", Kind.STORE),
    (mapping.EndsUrlsWithASlash, "the_store_is_one_entity", Kind.STORE),
    (failing.RejectsWhatPasses, "trouble_that_passes_is_retried", Kind.PRODUCTS),
    (failing.KnowsTheEffect, "trouble_that_passes_is_retried", Kind.CUSTOMERS),
    (failing.RejectsWhatPasses, "what_was_not_agreed_is_retried", Kind.ORDERS),
    (failing.KeepsRetryAfterToItself, "what_retry_after_asks_for_is_handed_on", None),
    (failing.RetriesVoidCredentials, "void_credentials_block", Kind.PRODUCTS),
    (failing.IsNeverTired, "a_store_that_never_answers_is_given_up", Kind.STORE),
    (failing.SaysAllIsWell, "the_probe_says_how_it_is", None),
    (failing.LocksItselfOut, "a_call_can_be_cancelled_anywhere", Kind.STORE),
    (failing.CannotBeCancelled, "a_call_can_be_cancelled_anywhere", Kind.STORE),
    (failing.ShowsAnotherLimiter, "each_request_takes_its_turn", Kind.PRODUCTS),
    (talking.PrintsItsSettings, "nothing_shows_a_secret", None),
    (talking.LogsItsToken, "nothing_shows_a_secret", None),
    (talking.LogsWhoBuys, "nothing_personal_is_kept_or_logged", None),
    (talking.NotesWhoBuys, "nothing_personal_is_kept_or_logged", None),
    (hearing.LetsEveryoneIn, "strangers_are_sent_away", None),
    (hearing.AsksOnlyWhetherThereIsAHeader, "strangers_are_sent_away", None),
    (hearing.ComparesAsItReads, "secrets_are_compared_in_constant_time", None),
    (hearing.ReadsBeforeItVerifies, "nothing_is_read_before_it_is_verified", None),
    (hearing.FallsOverStrangeBodies, "any_body_is_read_or_refused_in_one_line", None),
    (hearing.RefusesWhatItDoesNotKnow, "what_we_know_nothing_of_is_accepted", None),
    (hearing.ReadsOfAnotherKind, "a_delivery_leads_to_what_it_is_about", Kind.CUSTOMERS),
    (hearing.RefusesOldOnes, "a_redelivery_is_taken_and_told_by_its_age", None),
    (hearing.NeverKnowsAnOldOne, "a_redelivery_is_taken_and_told_by_its_age", None),
    (hearing.TakesWhatIsUnsignedForAPing, "a_ping_is_that_exact_request", None),
    (hearing.RefusesLargeOnes, "a_delivery_may_be_as_large_as_is_said", None),
    (registering.RegistersEachTime, "webhooks_are_registered_once", None),
    (registering.MiscountsWhatItMended, "what_is_switched_off_is_mended", None),
    (registering.ClearsTheTable, "webhooks_of_others_are_left_alone", None),
    (registering.LeavesOneBehind, "all_of_ours_are_removed", None),
    (registering.LeavesTheOldHost, "a_daemon_that_moves_takes_its_webhooks_along", None),
    (registering.AnnouncesWhatIsDone, "what_is_wrong_is_announced_before_it_is_mended", None),
    (registering.StopsAtTheFirstFailure, "one_call_that_fails_keeps_no_other_webhook_away", None),
    (registering.HidesThatRegisteringFailed, "registering_goes_on_after_trouble", None),
    (registering.SaysOnlyHowMany, "what_was_made_and_what_was_switched_off_is_told", None),
    (registering.HidesThatRemovingFailed, "removing_goes_on_after_trouble", None),
)
"""Broken adapters, the promise that each breaks, and the kind that it is tried with.

Each is tried on the first platform that the promise is about.
"""

JOINING: Sequence[tuple[type[joining.BrokenDoor], str]] = (
    (joining.SeesKeysInEmptyFields, "typed_keys_are_of_the_store_they_are_typed_for"),
    (joining.QuotesWhatWasTyped, "an_unusable_typed_key_is_refused_by_its_field"),
    (joining.TakesKeysUntried, "typed_keys_are_tried_and_change_nothing"),
    (joining.RejectsInTrouble, "trouble_says_nothing_about_typed_keys"),
    (joining.SpellsTheStoreInItsOwnWay, "a_consent_opens_the_store"),
    (joining.BelievesEveryConsent, "what_is_no_consent_is_refused_in_words"),
    (joining.BlamesTheMerchant, "trouble_lets_nobody_in"),
    (joining.FallsOverStrangeVisits, "any_visit_is_read_or_refused"),
)
"""The same for apps and typed keys, each tried on every platform that its promise is about."""

KITS = [kit for kit in find_kits().values() if kit is not None]

ITS_OWN = (Failure, ValueError, TypeError)
"""Errors that a broken adapter raises where it should not."""

UNCAUGHT = {"settings_hide_their_secrets", "the_platform_is_named", "a_store_has_one_spelling"}
"""Promises that do not depend on the adapter's class."""


def test_every_promise_can_be_seen_to_be_broken() -> None:
    assert {name for _, name, _ in CAUGHT_BY} | {name for _, name in JOINING} | UNCAUGHT == set(PROMISES)


@pytest.mark.parametrize(
    ("broken", "name", "kind"), [pytest.param(*case, id=f"{case[0].__name__}-{case[1]}") for case in CAUGHT_BY]
)
async def test_a_broken_promise_is_caught(
    autojump_clock: MockClock, broken: type[Broken], name: str, kind: Kind | None
) -> None:
    ears = issubclass(broken, BrokenReader)
    kit = next(kit for kit in KITS if kind in PROMISES[name].cases(kit))
    async with open_harness(kit, wrap=same if ears else broken, wrap_reader=broken if ears else same) as harness:
        with pytest.raises((AssertionError, *ITS_OWN)):
            await PROMISES[name].keep(harness, kind)


@pytest.mark.parametrize(
    ("broken", "name", "kit"),
    [
        pytest.param(broken, name, kit, id=f"{broken.__name__}-{kit.platform.name}")
        for broken, name in JOINING
        for kit in KITS
        if PROMISES[name].concerns(kit)
    ],
)
async def test_a_broken_way_to_connect_is_caught(
    autojump_clock: MockClock, broken: type[joining.BrokenDoor], name: str, kit: Kit
) -> None:
    async with open_harness(kit, wrap_door=broken) as harness:
        with pytest.raises((AssertionError, pytest.fail.Exception, *ITS_OWN)):
            await PROMISES[name].keep(harness, None)

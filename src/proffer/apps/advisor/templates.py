"""What the advisor says for a recommendation, in English and Swedish; each is told only where it is so."""

from proffer.app import SOURCE, Template

MOST, MANY = 0.8, 0.6
"""A place in the list, as a percentile, from which on a recommendation stands out, or is above the usual."""
USED = ("u_positive_30d", 2.5)
"""So much a user must have taken up lately before it is said what he takes up."""
SEEN = 2.3978
"""ln(1 + n) of the ten exposures that a rate must rest on before it is told of others like these."""
TWICE = 0.9163
"""ln(1 + 1.5): a recommendation must have been before somebody twice lately before it is said to be opened often."""
TEMPLATES = (
    Template(
        code="matches_priority", column="ar_priority_match", above=1.0,
        akin=("cf_priority",),
        en="It serves what this assessment puts first: {category}",
        sv="Den gäller det som är viktigast här: {category}",
    ),
    Template(
        code="big_saving", column="r_saving", above=1.0, also=(("list_rank_saving", MOST),),
        akin=("list_rank_saving", "list_diff_saving", "list_saving_part", f"{SOURCE}saving"),
        en="Saves more than most here: {value:,.0f} a month", sv="Sparar mer än de flesta här: {value:,.0f} i månaden",
    ),
    Template(
        code="pays_off", column="r_payback", above=0.5, also=(("list_rank_payback", MOST),),
        akin=("list_rank_payback",),
        en="Saves in a month at least what it costs", sv="Sparar på en månad minst vad den kostar",
    ),
    Template(
        code="saving_for_spend", column="ar_saving_of_spend", above=0.0953,
        akin=("ar_saving_of_budget",),
        en="Saves a tenth of the present spend or more", sv="Sparar en tiondel av dagens kostnad eller mer",
    ),
    Template(
        code="saving_for_effort", column="r_saving_per_hour", above=0.6932, also=(("list_rank_per_hour", MOST),),
        akin=("list_rank_per_hour",),
        en="Saves much for the work it takes", sv="Sparar mycket för det arbete den kräver",
    ),
    Template(
        code="sure_saving", column="r_expected_saving", above=1.0,
        also=(("r_confidence", MOST), ("list_rank_saving", MANY)),
        en="A large saving that is quite sure", sv="En stor besparing som är ganska säker",
    ),
    Template(
        code="confident", column="r_confidence", above=0.7, also=(("list_rank_confidence", MOST),),
        akin=("list_rank_confidence", "list_diff_confidence", f"{SOURCE}confidence"),
        en="Surer than most here", sv="Säkrare än de flesta här",
    ),
    Template(
        code="urgent", column="r_priority", above=2.0, also=(("list_rank_priority", MANY),),
        akin=("list_rank_priority", "list_diff_priority", f"{SOURCE}priority"),
        en="More urgent than most here", sv="Mer brådskande än de flesta här",
    ),
    Template(
        code="alike_implemented", column="cf_alike_done", above=0.02,
        also=(("list_rank_done", MOST), ("cf_size_seen", SEEN)),
        akin=("list_rank_done", "cf_industry_done", "cf_size_done", "cf_workload_done", "cf_current_provider_done"),
        en="Often done where the company is alike", sv="Görs ofta där företaget liknar detta",
    ),
    Template(
        code="alike_interested", column="cf_alike", above=0.05,
        also=(("list_rank_alike", MOST), ("cf_size_seen", SEEN)),
        akin=("list_rank_alike", f"{SOURCE}interest"),
        en="Draws interest where the company is alike", sv="Väcker intresse där företaget liknar detta",
    ),
    Template(
        code="industry", column="cf_industry", above=0.1, also=(("cf_industry_seen", SEEN),),
        en="Draws interest in this industry", sv="Väcker intresse i branschen",
    ),
    Template(
        code="size", column="cf_size", above=0.1, also=(("cf_size_seen", SEEN),),
        en="Draws interest in companies of this size", sv="Väcker intresse i företag av den här storleken",
    ),
    Template(
        code="workload", column="cf_workload", above=0.1, also=(("cf_workload_seen", SEEN),),
        en="Draws interest where the workload is alike", sv="Väcker intresse där arbetslasten är likadan",
    ),
    Template(
        code="role", column="cf_role", above=0.1, also=(("cf_role_seen", SEEN),),
        en="People in your role take it up", sv="Personer i din roll tar upp den",
    ),
    Template(
        code="colleagues", column="g_company_peers_pos", above=0.5, also=(("ui_open", 1.0),),
        en="People of your company have taken it up", sv="Personer i ditt företag har tagit upp den",
    ),
    Template(
        code="well_rated", column="i_stars", above=4.0, also=(("i_rating_bayes", 4.0),),
        akin=("i_rating_bayes",),
        en="Rated well: {value:.1f} of 5 stars", sv="Gott betyg: {value:.1f} av 5 stjärnor",
    ),
    Template(
        code="often_opened", column="i_ctr_30d", above=0.1, also=(("list_rank_ctr", MOST), ("i_impr_log", TWICE)),
        akin=("list_rank_ctr", "i_ctr_7d", "i_ctr_1d"),
        en="Opened more often than most here", sv="Öppnas oftare än de flesta här",
    ),
    Template(
        code="your_category", column="aff_cat", above=0.3, also=(USED,),
        akin=("aff_cat_rate", "aff_cat_implement"),
        en="You often take up {category}", sv="Du tar ofta upp {category}",
    ),
    Template(
        code="your_action", column="aff_action_rate", above=0.2, also=(("list_rank_action", MOST), USED),
        akin=("list_rank_action",),
        en="You have taken up steps like it", sv="Du har tagit upp liknande steg",
    ),
    Template(
        code="your_tags", column="aff_tag", above=0.5, also=(USED,),
        en="Near to topics that you take up", sv="Nära ämnen som du tar upp",
    ),
    Template(
        code="like_what_you_chose", column="aff_text", above=0.6, also=(USED,),
        akin=(f"{SOURCE}content",),
        en="Reads like what you took up before", sv="Liknar det du tagit upp förut",
    ),
    Template(
        code="kept", column="ui_kept", above=1.0,
        akin=("ui_last_grade",),
        en="You kept it or passed it on", sv="Du har sparat den eller skickat den vidare",
    ),
    Template(
        code="goals", column="ar_goals_cos", above=0.3, also=(("list_rank_goals", MOST),),
        akin=("list_rank_goals",),
        en="Close to the assessment's goals", sv="Ligger nära bedömningens mål",
    ),
    Template(
        code="provider", column="ar_provider_match", above=1.0,
        en="It is about your main provider", sv="Den gäller er huvudsakliga leverantör",
    ),
    Template(
        code="provider_in_use", column="ar_provider_used", above=1.0,
        en="It is about a provider you use", sv="Den gäller en leverantör som ni använder",
    ),
    Template(
        code="low_risk", column="list_low_risk", above=MOST,
        akin=("r_risk", "list_diff_risk"),
        en="Less can go wrong than with most here", sv="Mindre kan gå fel än med de flesta här",
    ),
    Template(
        code="low_effort", column="list_low_effort", above=MOST,
        akin=("r_effort", "list_diff_effort", "ar_effort_per_head", "ar_size_effort"),
        en="Less work than most here", sv="Mindre arbete än de flesta här",
    ),
    Template(
        code="low_cost", column="list_low_cost", above=MOST,
        akin=("r_cost", "list_diff_cost", "ar_cost_of_budget"),
        en="Costs less than most here", sv="Kostar mindre än de flesta här",
    ),
    Template(
        code="unfinished_category", column="list_cat_open", above=1.0, also=(("ac_implemented", 0.01),),
        en="There is more to do in {category}", sv="Det finns mer att göra inom {category}",
    ),
    Template(
        code="new", column=f"{SOURCE}newest", above=0.9, also=(("list_low_age", 0.9),),
        akin=("r_age", "list_low_age"),
        en="Newer than most here", sv="Nyare än de flesta här",
    ),
)  # fmt: skip

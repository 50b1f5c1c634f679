"""The addresses of reports, cans, pipeline, health and API."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from reports.web import (
    alert_rule_form,
    alert_rules_api,
    alerts,
    can,
    changes,
    collections,
    dead_letters,
    docs,
    emptying_form,
    emptyings,
    explain,
    facts,
    facts_api,
    favicon,
    fleet,
    fleet_count,
    hour_keeper,
    mounting_forms,
    mountings,
    over_time,
    overview,
    pipeline,
    probes,
    saved_views,
    sensors,
    stream_form,
    streams,
    uplinks,
    what_if,
)
from trashsite.routes import either
from trashsite.server.started import when_started

urlpatterns = [
    # First what is asked for most.
    *either("reports/<str:can_id>", can.CanView.as_view(), "can"),
    path("", overview.OverviewView.as_view(), name="home"),
    *either("over-time", over_time.OverTimeView.as_view(), "over-time"),
    *either("over-time/map", over_time.ReplayView.as_view(), "replay"),
    *either("collections", collections.CollectionsView.as_view(), "collections"),
    *either("collections/what-if", what_if.WhatIfView.as_view(), "what-if"),
    *either("alerts", alerts.AlertsView.as_view(), "alerts"),
    *either("alerts/rules", alert_rules_api.RulesView.as_view(), "alert-rules"),
    path("alerts/rules/add/", alert_rule_form.RuleFormView.as_view(), name="add-alert-rule"),
    path("alerts/rules/<int:pk>/edit/", alert_rule_form.RuleFormView.as_view(), name="edit-alert-rule"),
    *either("alerts/rules/<int:pk>", alert_rules_api.RuleView.as_view(), "alert-rule"),
    *either("alerts/rules/<int:pk>/secret", alert_rules_api.SecretView.as_view(), "alert-secret"),
    path("pipeline/", pipeline.PipelineView.as_view(), name="pipeline"),
    path("pipeline/dead-letters/", dead_letters.DeadLettersView.as_view(), name="dead_letters"),
    path("reports/", fleet.FleetView.as_view(), name="fleet"),
    path("reports", fleet.FleetView.as_view()),
    *either("reports/<str:can_id>/history", can.HistoryView.as_view(), "history"),
    *either("reports/<str:can_id>/emptyings", emptyings.EmptyingsView.as_view(), "emptyings"),
    *either("reports/<str:can_id>/chart", can.ChartView.as_view(), "chart"),
    path("cans/import/", facts.ImportView.as_view(), name="import"),
    *either("cans", facts_api.CansView.as_view(), "cans"),
    *either("cans/<str:can_id>", facts_api.CanFactsView.as_view(), "can-facts"),
    *either("cans/<str:can_id>/changes", changes.ChangesView.as_view(), "can-changes"),
    path("cans/<str:can_id>/emptying/", emptying_form.EmptyingFormView.as_view(), name="enter-emptying"),
    path("cans/<str:can_id>/facts/", facts.FactsView.as_view(), name="facts"),
    *either("streams", streams.StreamsView.as_view(), "streams"),
    path("streams/enter/", stream_form.StreamFormView.as_view(), name="enter-stream"),
    *either("streams/<str:stream>", streams.StreamView.as_view(), "stream"),
    *either("sensors", sensors.SensorsView.as_view(), "sensors"),
    *either("sensors/waiting", sensors.WaitingSensorsView.as_view(), "waiting-sensors"),
    path("sensors/explain/", explain.ExplainView.as_view(), name="explain"),
    path("sensors/mount/", mounting_forms.MountView.as_view(), name="mount"),
    path("mountings/<int:pk>/", mounting_forms.MountingFormView.as_view(), name="mounting"),
    # A key may hold slashes, so the longer addresses come first, and the sensor's own is named with one at its end.
    # What is no number is no mounting: by <int:pk> it would be a part of the key.
    *either("sensors/<path:key>/mountings/<str:pk>/empty", mountings.EmptyNowView.as_view(), "empty-now"),
    *either("sensors/<path:key>/mountings/<str:pk>", mountings.MountingView.as_view(), "sensor-mounting"),
    *either("sensors/<path:key>/mountings", mountings.MountingsView.as_view(), "mountings"),
    path("sensors/<path:key>/", sensors.SensorView.as_view(), name="sensor"),
    path("sensors/<path:key>", sensors.SensorView.as_view()),
    *either("uplinks/<str:name>", uplinks.UplinksView.as_view(), "uplinks"),
    *either("views", saved_views.ViewsView.as_view(), "views"),
    *either("views/<int:view_id>", saved_views.SavedViewView.as_view(), "saved-view"),
    path("favicon.ico", favicon.favicon, name="favicon"),
    *either("health/live", probes.LiveView.as_view(), "live"),
    *either("health/ready", probes.ReadyView.as_view(), "ready"),
    *either("health/pipeline", probes.PipelineHealthView.as_view(), "pipeline-health"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs.DocsView.as_view(url_name="schema"), name="docs"),
]

# Where metrics are served, whoever serves these addresses counts the fleet now and then.
fleet_count.keep_counted()
when_started(hour_keeper.start_keeping)

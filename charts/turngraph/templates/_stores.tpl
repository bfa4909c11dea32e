{{/* Where the stores are, as the program is told. Passwords come from secrets and are put into
addresses by the kubelet ($(NAME)), so no object holds one in plain text. */}}

{{- define "turngraph.postgres.secret" -}}
{{- default (printf "%s-postgres" (include "turngraph.fullname" .)) .Values.postgres.auth.existingSecret -}}
{{- end -}}

{{- define "turngraph.redis.secret" -}}
{{- default (printf "%s-redis" (include "turngraph.fullname" .)) .Values.redis.auth.existingSecret -}}
{{- end -}}

{{/* A variable from a secret: (list NAME secret key). */}}
{{- define "turngraph.secretEnv" -}}
- name: {{ index . 0 }}
  valueFrom: {secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}}
{{- end -}}

{{- define "turngraph.env.record" -}}
{{- $pg := .Values.postgres -}}
{{- if eq $pg.mode "off" -}}
- {name: TURNGRAPH_DATA_DIR, value: /var/lib/turngraph}
{{- else if eq $pg.mode "bundled" -}}
{{ include "turngraph.secretEnv" (list "STORE_POSTGRES_PASSWORD" (include "turngraph.postgres.secret" .) $pg.auth.passwordKey) }}
- name: TURNGRAPH_RECORD
  value: postgres://{{ $pg.auth.username }}:$(STORE_POSTGRES_PASSWORD)@{{ include "turngraph.fullname" . }}-postgres:5432/{{ $pg.auth.database }}?sslmode=disable
{{- else if $pg.external.urlKey -}}
{{ include "turngraph.secretEnv" (list "TURNGRAPH_RECORD" $pg.external.existingSecret $pg.external.urlKey) }}
{{- else -}}
{{- $login := $pg.external.username -}}
{{- if $pg.external.existingSecret }}{{ $login = printf "%s:$(STORE_POSTGRES_PASSWORD)" $login -}}
{{ include "turngraph.secretEnv" (list "STORE_POSTGRES_PASSWORD" $pg.external.existingSecret $pg.external.passwordKey) }}
{{ end -}}
- name: TURNGRAPH_RECORD
  value: postgres://{{ $login }}@{{ $pg.external.host }}:{{ $pg.external.port }}/{{ $pg.external.database }}?sslmode={{ $pg.external.sslMode }}
{{- end }}
{{- if ne $pg.mode "off" }}
- {name: TURNGRAPH_RECORD_CONNECTIONS_MAX, value: {{ $pg.connectionsMax | quote }}}
{{- with $pg.analytics.existingSecret }}
{{ include "turngraph.secretEnv" (list "TURNGRAPH_ANALYTICS" . $pg.analytics.urlKey) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "turngraph.env.cql" -}}
{{- $cql := .Values.cql -}}
{{- if ne $cql.mode "off" -}}
{{- $pairs := list -}}
{{- range $name, $value := $cql.parameters }}{{ $pairs = append $pairs (printf "%s=%v" $name $value) }}{{ end -}}
{{- $query := "" -}}
{{- with $pairs }}{{ $query = printf "?%s" (join "&" .) }}{{ end -}}
{{- if eq $cql.mode "bundled" -}}
- name: TURNGRAPH_CQL
  value: cql://{{ include "turngraph.fullname" . }}-cql:9042/{{ $cql.keyspace }}{{ $query }}
{{- else if $cql.external.urlKey -}}
{{ include "turngraph.secretEnv" (list "TURNGRAPH_CQL" $cql.external.existingSecret $cql.external.urlKey) }}
{{- else -}}
{{- $login := "" -}}
{{- if $cql.external.username }}{{ $login = printf "%s:$(STORE_CQL_PASSWORD)@" $cql.external.username -}}
{{ include "turngraph.secretEnv" (list "STORE_CQL_PASSWORD" $cql.external.existingSecret $cql.external.passwordKey) }}
{{ end -}}
{{- $hosts := list -}}
{{- range $cql.external.hosts }}{{ $hosts = append $hosts (printf "%s:%v" . $cql.external.port) }}{{ end -}}
- name: TURNGRAPH_CQL
  value: cql://{{ $login }}{{ join "," $hosts }}/{{ $cql.keyspace }}{{ $query }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "turngraph.env.redis" -}}
{{- $redis := .Values.redis -}}
{{- if eq $redis.mode "bundled" -}}
{{ include "turngraph.secretEnv" (list "STORE_REDIS_PASSWORD" (include "turngraph.redis.secret" .) $redis.auth.passwordKey) }}
- name: TURNGRAPH_REDIS
  value: redis://:$(STORE_REDIS_PASSWORD)@{{ include "turngraph.fullname" . }}-redis:6379
{{- else if eq $redis.mode "external" -}}
{{- if $redis.external.urlKey -}}
{{ include "turngraph.secretEnv" (list "TURNGRAPH_REDIS" $redis.external.existingSecret $redis.external.urlKey) }}
{{- else -}}
{{- $login := "" -}}
{{- if $redis.external.existingSecret }}{{ $login = printf "%s:$(STORE_REDIS_PASSWORD)@" $redis.external.username -}}
{{ include "turngraph.secretEnv" (list "STORE_REDIS_PASSWORD" $redis.external.existingSecret $redis.external.passwordKey) }}
{{ end -}}
- name: TURNGRAPH_REDIS
  value: {{ ternary "rediss" "redis" $redis.external.tls }}://{{ $login }}{{ $redis.external.host }}:{{ $redis.external.port }}/{{ $redis.external.database }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "turngraph.kafka.brokers" -}}
{{- if eq .Values.kafka.mode "bundled" -}}
{{ include "turngraph.fullname" . }}-kafka:9092
{{- else -}}
{{ join "," .Values.kafka.external.brokers }}
{{- end -}}
{{- end -}}

{{- define "turngraph.env.feed" -}}
- {name: TURNGRAPH_FEED, value: {{ .Values.feed.source }}}
- {name: TURNGRAPH_FEED_SLOT, value: {{ .Values.feed.slot }}}
{{- if eq .Values.feed.source "kafka" }}
- name: TURNGRAPH_KAFKA
  value: kafka://{{ include "turngraph.kafka.brokers" . }}/{{ .Values.kafka.topic }}
{{- end }}
{{- end -}}

{{/* Whether there is anything that a projector must keep up to date. */}}
{{- define "turngraph.hasProjector" -}}
{{- if and .Values.projector.enabled (ne .Values.postgres.mode "off") (or (ne .Values.cql.mode "off") (ne .Values.redis.mode "off")) -}}
true
{{- end -}}
{{- end -}}

{{/* Everything that gateway, projector and migrations are told of the stores. */}}
{{- define "turngraph.env" -}}
{{ include "turngraph.env.record" . }}
{{- with include "turngraph.env.cql" . }}
{{ . }}
{{- end }}
{{- with include "turngraph.env.redis" . }}
{{ . }}
{{- end }}
{{- if ne .Values.postgres.mode "off" }}
{{ include "turngraph.env.feed" . }}
{{- end }}
- {name: TURNGRAPH_LOG_FORMAT, value: {{ get .Values.config "log_format" | default "json" }}}
{{- end -}}

{{/* turngraph.toml of `config`: whole numbers stay whole, sections become tables. */}}
{{- define "turngraph.toml" -}}
{{- range $key, $value := . }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ include "turngraph.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := . }}
{{- if kindIs "map" $value }}

[{{ $key }}]
{{- range $inner, $one := $value }}
{{ $inner }} = {{ include "turngraph.tomlValue" $one }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "turngraph.tomlValue" -}}
{{- if kindIs "slice" . -}}
[{{ range $at, $one := . }}{{ if $at }}, {{ end }}{{ include "turngraph.tomlValue" $one }}{{ end }}]
{{- else if and (kindIs "float64" .) (eq (floor .) (. | float64)) -}}
{{ int64 . }}
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}

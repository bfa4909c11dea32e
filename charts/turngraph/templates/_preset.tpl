{{/*
What a preset decides goes where nobody has set anything. The values are completed in place, once a
template, and the second time changes nothing. (Functions that merge take `false` and `0` for
missing; this does not.)
*/}}
{{- define "turngraph.init" -}}
{{- $preset := .Files.Get (printf "presets/%s.yaml" .Values.preset) -}}
{{- if not $preset }}{{ fail (printf "preset: there is no %q; use tiny, single-node or scale" .Values.preset) }}{{ end -}}
{{- include "turngraph.complete" (list .Values (fromYaml $preset)) -}}
{{- end -}}

{{- define "turngraph.complete" -}}
{{- $values := index . 0 -}}
{{- range $key, $given := index . 1 -}}
{{- if not (hasKey $values $key) -}}
{{- $_ := set $values $key $given -}}
{{- else if and (kindIs "map" $given) (kindIs "map" (index $values $key)) (ne $key "resources") -}}
{{- include "turngraph.complete" (list (index $values $key) $given) -}}
{{- end -}}
{{- end -}}
{{- end -}}

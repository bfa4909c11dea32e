{{/* What pods have in common. */}}

{{/* An image: (list $ "postgres"). */}}
{{- define "turngraph.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- $registry := default $image.registry $root.Values.global.imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}
@{{ $image.digest }}
{{- else -}}
:{{ default $root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "turngraph.pullSecrets" -}}
{{- $names := list -}}
{{- range concat (.Values.global.imagePullSecrets | default list) .Values.images.pullSecrets -}}
{{- $name := . -}}
{{- if kindIs "map" . }}{{ $name = .name }}{{ end -}}
{{- $names = append $names (dict "name" $name) -}}
{{- end -}}
{{- with $names }}
imagePullSecrets:
  {{- toYaml (uniq .) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The head of a pod's spec: (list $ user). No token, no environment of other services (the
program refuses TURNGRAPH_ variables that it does not know, and a service makes some). */}}
{{- define "turngraph.pod" -}}
{{- $root := index . 0 -}}
{{- $user := index . 1 | int64 -}}
serviceAccountName: {{ include "turngraph.serviceAccountName" $root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "turngraph.pullSecrets" $root }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $user }}
  runAsGroup: {{ $user }}
  fsGroup: {{ $user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* A container's: nothing that Kubernetes' profile `restricted` forbids, and no file to write. */}}
{{- define "turngraph.locked" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end -}}

{{/* Where a pod runs: (component's values). */}}
{{- define "turngraph.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* The claim of a volume, as a claim template or an object's spec: (list $ persistence). */}}
{{- define "turngraph.claim" -}}
{{- $root := index . 0 -}}
{{- $p := index . 1 -}}
accessModes: {{ toJson $p.accessModes }}
{{- with default $root.Values.global.storageClass $p.storageClass }}
storageClassName: {{ . | quote }}
{{- end }}
resources: {requests: {storage: {{ $p.size }}}}
{{- end -}}

{{/* A volume `data` of a stateful set: a claim that exists, or none that lasts. */}}
{{- define "turngraph.dataVolume" -}}
{{- if and .enabled .existingClaim }}
- name: data
  persistentVolumeClaim: {claimName: {{ .existingClaim }}}
{{- else if not .enabled }}
- name: data
  emptyDir: {}
{{- end }}
{{- end -}}

{{/* The claim templates of a stateful set: (list $ component persistence). */}}
{{- define "turngraph.claims" -}}
{{- $root := index . 0 -}}
{{- $p := index . 2 -}}
{{- if and $p.enabled (not $p.existingClaim) }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ ternary "Retain" "Delete" $p.retain }}
  whenScaled: Retain
volumeClaimTemplates:
  - metadata:
      name: data
      labels:
        {{- include "turngraph.selector" (list $root (index . 1)) | nindent 8 }}
    spec:
      {{- include "turngraph.claim" (list $root $p) | nindent 6 }}
{{- end }}
{{- end -}}

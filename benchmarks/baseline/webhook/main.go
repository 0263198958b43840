// An admission webhook that decodes the review and its pod, and answers what Stoker answers for the sample profile:
// the same changes, written down as constants, with nothing to look up.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"slices"
	"strconv"
	"strings"

	admission "k8s.io/api/admission/v1"
	core "k8s.io/api/core/v1"
)

const (
	profileAnnotation = "stoker.dev/profile"
	profile           = "kata-agents"
	runtimeClass      = "kata-qemu"
	scheduler         = "stoker-scheduler"
)

var (
	toleration     = core.Toleration{Key: "stoker.dev/tenant", Operator: core.TolerationOpExists, Effect: core.TaintEffectNoSchedule}
	schedulingGate = core.PodSchedulingGate{Name: "stoker.dev/warm-node"}
	preference     = []core.PreferredSchedulingTerm{{
		Weight: 100,
		Preference: core.NodeSelectorTerm{MatchExpressions: []core.NodeSelectorRequirement{
			{Key: core.LabelArchStable, Operator: core.NodeSelectorOpIn, Values: []string{"amd64"}},
		}},
	}}
)

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	certificate := flag.String("certificate", "", "PEM file")
	key := flag.String("key", "", "PEM file")
	flag.Parse()
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /mutate", mutate)
	log.Fatal(http.ListenAndServeTLS(*listen, *certificate, *key, nil))
}

func mutate(w http.ResponseWriter, r *http.Request) {
	var review admission.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "not an AdmissionReview", http.StatusBadRequest)
		return
	}
	var pod core.Pod
	if err := json.Unmarshal(review.Request.Object.Raw, &pod); err != nil {
		http.Error(w, "not a Pod", http.StatusBadRequest)
		return
	}
	review.Response = &admission.AdmissionResponse{
		UID: review.Request.UID, Allowed: true,
		AuditAnnotations: map[string]string{"outcome": "reviewed", "profile": profile},
	}
	review.Request = nil
	if changes := operations(&pod); len(changes) > 0 {
		patch, err := json.Marshal(changes)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		kind := admission.PatchTypeJSONPatch
		review.Response.Patch, review.Response.PatchType = patch, &kind
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(&review); err != nil {
		log.Print(err)
	}
}

// Nothing is left to do on a pod that was changed already: the API server asks again.
func operations(pod *core.Pod) []operation {
	patch := pullPolicies("/spec/initContainers/", pod.Spec.InitContainers)
	patch = append(patch, pullPolicies("/spec/containers/", pod.Spec.Containers)...)
	if pod.Spec.RuntimeClassName == nil {
		patch = append(patch, operation{"add", "/spec/runtimeClassName", runtimeClass})
	}
	if !slices.Contains(pod.Spec.Tolerations, toleration) {
		patch = append(patch, appended("/spec/tolerations", len(pod.Spec.Tolerations), toleration))
	}
	if !slices.Contains(pod.Spec.SchedulingGates, schedulingGate) {
		patch = append(patch, appended("/spec/schedulingGates", len(pod.Spec.SchedulingGates), schedulingGate))
	}
	if pod.Spec.SchedulerName == core.DefaultSchedulerName {
		patch = append(patch, operation{"replace", "/spec/schedulerName", scheduler})
	}
	if pod.Spec.Affinity == nil {
		affinity := core.Affinity{NodeAffinity: &core.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: preference}}
		patch = append(patch, operation{"add", "/spec/affinity", affinity})
	}
	if pod.Annotations == nil {
		return append(patch, operation{"add", "/metadata/annotations", map[string]string{profileAnnotation: profile}})
	}
	if pod.Annotations[profileAnnotation] != profile {
		path := "/metadata/annotations/" + strings.ReplaceAll(profileAnnotation, "/", "~1")
		patch = append(patch, operation{"add", path, profile})
	}
	return patch
}

func pullPolicies(path string, containers []core.Container) (patch []operation) {
	for i, container := range containers {
		if container.ImagePullPolicy == core.PullAlways && !strings.HasSuffix(container.Image, ":latest") {
			patch = append(patch, operation{"replace", path + strconv.Itoa(i) + "/imagePullPolicy", core.PullIfNotPresent})
		}
	}
	return patch
}

// Into a list that may be absent.
func appended(path string, present int, value any) operation {
	if present == 0 {
		return operation{"add", path, []any{value}}
	}
	return operation{"add", path + "/-", value}
}

// The extender that does nothing: it decodes its arguments, passes every node and scores all the same.
// No extender in Go that reads what it is asked does less.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"

	extender "k8s.io/kube-scheduler/extender/v1"
)

const score = 5

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /filter", answer(filter))
	http.HandleFunc("POST /prioritize", answer(prioritize))
	log.Fatal(http.ListenAndServe(*listen, nil))
}

func filter(args *extender.ExtenderArgs) any {
	return &extender.ExtenderFilterResult{NodeNames: args.NodeNames}
}

func prioritize(args *extender.ExtenderArgs) any {
	priorities := make(extender.HostPriorityList, len(*args.NodeNames))
	for i, name := range *args.NodeNames {
		priorities[i] = extender.HostPriority{Host: name, Score: score}
	}
	return priorities
}

func answer(decide func(*extender.ExtenderArgs) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var args extender.ExtenderArgs
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil || args.NodeNames == nil {
			http.Error(w, "not ExtenderArgs with NodeNames", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(decide(&args)); err != nil {
			log.Print(err)
		}
	}
}

// The load generator, the same for both sides. In a closed loop it sends prepared bodies over so many connections, each
// of them as soon as the last answer is read, and prints how long every answer took. The first answer on each
// connection is not counted: schedulers and API servers keep their connections, and a handshake would be the slowest
// answer of all. With a rate it is an open loop (storm.go).
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// For one answer.
const patience = 60 * time.Second

// In a body it stands for the number of the request, so that no two requests are about the same pod.
var placeholder = []byte("@NUMBER@")

type result struct {
	Micros  []int64 `json:"micros"`
	Seconds float64 `json:"seconds"`
	Sent    int64   `json:"sent"`
	Failed  int64   `json:"failed"`
	Failure string  `json:"failure"`
}

type bodyLines [][]byte

func (b bodyLines) body(number int64) []byte {
	return bytes.ReplaceAll(b[number%int64(len(b))], placeholder, strconv.AppendInt(nil, number, 10))
}

type generator struct {
	client *http.Client
	url    string
	token  string
	bodies bodyLines
	next   atomic.Int64
}

func main() {
	url := flag.String("url", "", "where to POST")
	bodies := flag.String("bodies", "", "file with a body a line, sent in turn")
	connections := flag.Int("connections", 1, "at once")
	requests := flag.Int64("requests", 1000, "at most so many")
	seconds := flag.Float64("seconds", 60, "at most so long")
	first := flag.Int64("first", 0, "number of the first request")
	authority := flag.String("authority", "", "PEM file of the server's CA")
	token := flag.String("token", "", "bearer token")
	rate := flag.Float64("rate", 0, "send so many a second, answered or not; 0: each when the last one is answered")
	flag.Parse()

	content, err := os.ReadFile(*bodies)
	check(err)
	prepared := bodyLines(bytes.Split(bytes.TrimSpace(content), []byte("\n")))
	config := trusting(*authority)
	if *rate > 0 {
		debug.SetGCPercent(gcPercent)
		s := newStorm(*url, config, prepared)
		check(s.connect(*connections, *first))
		output := s.run(*rate, *first+int64(*connections), *requests-int64(*connections))
		check(json.NewEncoder(os.Stdout).Encode(output))
		return
	}
	g := &generator{client: client(*connections, config), url: *url, token: *token, bodies: prepared}
	g.next.Store(*first)
	output := g.run(*connections, *first+*requests, time.Duration(*seconds*float64(time.Second)))
	check(json.NewEncoder(os.Stdout).Encode(output))
}

func trusting(authority string) *tls.Config {
	if authority == "" {
		return nil
	}
	pem, err := os.ReadFile(authority)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

func client(connections int, config *tls.Config) *http.Client {
	transport := &http.Transport{
		MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, TLSClientConfig: config,
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

func (g *generator) run(connections int, end int64, limit time.Duration) result {
	output := result{Micros: []int64{}}
	var mutex sync.Mutex
	var group, connected sync.WaitGroup
	connected.Add(connections)
	first := g.next.Load()
	for range connections {
		group.Go(func() {
			_, _, failure := g.send(first+int64(connections), time.Now().Add(limit), 1)
			connected.Done()
			connected.Wait()
			own, failed := []int64{}, int64(1)
			if failure == "" {
				own, failed, failure = g.send(end, time.Now().Add(limit), end)
			}
			mutex.Lock()
			defer mutex.Unlock()
			output.Micros = append(output.Micros, own...)
			output.Failed += failed
			if failure != "" {
				output.Failure = failure
			}
		})
	}
	connected.Wait()
	began := time.Now()
	group.Wait()
	output.Sent = min(g.next.Load(), end) - first
	output.Seconds = time.Since(began).Seconds()
	return output
}

func (g *generator) send(end int64, deadline time.Time, most int64) (micros []int64, failed int64, failure string) {
	for range most {
		if !time.Now().Before(deadline) {
			break
		}
		number := g.next.Add(1) - 1
		if number >= end {
			break
		}
		took, err := g.ask(number)
		if err != nil {
			failed++
			failure = err.Error()
			continue
		}
		micros = append(micros, took.Microseconds())
	}
	return micros, failed, failure
}

func (g *generator) ask(number int64) (time.Duration, error) {
	request, err := http.NewRequest(http.MethodPost, g.url, bytes.NewReader(g.bodies.body(number)))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if g.token != "" {
		request.Header.Set("Authorization", "Bearer "+g.token)
	}
	began := time.Now()
	response, err := g.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return 0, fmt.Errorf("%s: %s", response.Status, said)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	neturl "net/url"
	"strings"
	"sync"
	"time"
)

// Bodies are garbage as soon as they are sent, and little else is there: collecting it seldom costs little memory.
const gcPercent = 400

// How many connections are opened at once: few enough that nothing is late before the storm.
const openedAtOnce = 8

// What came of requests that were sent at their times. Micros are counted from when a request was due, Written from the
// beginning to when its last byte was handed to the kernel. Answers are counted by status and Retry-After.
type outcome struct {
	Micros  []int64          `json:"micros"`
	Written []int64          `json:"written"`
	Answers map[string]int64 `json:"answers"`
	Failed  int64            `json:"failed"`
	Failure string           `json:"failure"`
}

// An open loop: each request is sent when it is due, whatever becomes of those before. Who asks faster than is answered
// must not be the limit, so requests are written to bare connections: net/http needs twice the processor time.
type storm struct {
	url    *neturl.URL
	config *tls.Config
	bodies bodyLines

	mutex sync.Mutex
	freed sync.Cond
	idle  []*connection
}

// Carries one request at a time; without a Conn where the server ended it.
type connection struct {
	net.Conn
	reader *bufio.Reader
}

func newStorm(address string, config *tls.Config, bodies bodyLines) *storm {
	url, err := neturl.Parse(address)
	check(err)
	if config != nil {
		// As on connections that have been in use for a while: the first 128 KiB go in records of one packet each.
		config.DynamicRecordSizingDisabled = true
	}
	s := &storm{url: url, config: config, bodies: bodies}
	s.freed.L = &s.mutex
	return s
}

// connect opens the connections and uses each once, with 200 for an answer: a server takes one on which nothing comes
// for an idler's.
func (s *storm) connect(connections int, first int64) (failure error) {
	var group sync.WaitGroup
	var once sync.Once
	slots := make(chan struct{}, openedAtOnce)
	for i := range int64(connections) {
		slots <- struct{}{}
		group.Go(func() {
			_, answer, err := s.ask(&connection{}, first+i)
			if err == nil && answer != "200" {
				err = fmt.Errorf("%s before the storm", answer)
			}
			if err != nil {
				once.Do(func() { failure = err })
			}
			<-slots
		})
	}
	group.Wait()
	return failure
}

func (s *storm) run(rate float64, first, requests int64) outcome {
	output := outcome{Micros: make([]int64, requests), Written: make([]int64, requests), Answers: map[string]int64{}}
	var group sync.WaitGroup
	var mutex sync.Mutex
	began := time.Now()
	for i := range requests {
		due := time.Duration(float64(i) / rate * float64(time.Second))
		time.Sleep(due - time.Since(began))
		group.Go(func() {
			written, answer, err := s.ask(s.take(), first+i)
			output.Micros[i] = (time.Since(began) - due).Microseconds()
			output.Written[i] = written.Sub(began).Microseconds()
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				output.Failed++
				output.Failure = err.Error()
				return
			}
			output.Answers[answer]++
		})
	}
	group.Wait()
	return output
}

// take waits where no connection is free. The one that was used last is the first to be used again.
func (s *storm) take() *connection {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(s.idle) == 0 {
		s.freed.Wait()
	}
	last := len(s.idle) - 1
	c := s.idle[last]
	s.idle = s.idle[:last]
	return c
}

func (s *storm) put(c *connection) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.idle = append(s.idle, c)
	s.freed.Signal()
}

// ask tells the status, with Retry-After behind it where there is one; the connection is free afterwards.
func (s *storm) ask(c *connection, number int64) (written time.Time, answer string, err error) {
	defer s.put(c)
	if c.Conn == nil {
		if err = s.dial(c); err != nil {
			return written, "", err
		}
	}
	if err = c.SetDeadline(time.Now().Add(patience)); err != nil {
		return written, "", err
	}
	if _, err = c.Write(s.request(number)); err != nil {
		return written, "", err
	}
	written = time.Now()
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return written, "", err
	}
	if _, err = io.Copy(io.Discard, response.Body); err != nil {
		return written, "", err
	}
	if response.Close {
		c.Close()
		c.Conn = nil
	}
	return written, strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", response.Header.Get("Retry-After"))), nil
}

func (s *storm) dial(c *connection) (err error) {
	if s.config == nil {
		c.Conn, err = net.Dial("tcp", s.url.Host)
	} else {
		c.Conn, err = tls.Dial("tcp", s.url.Host, s.config)
	}
	if err == nil {
		c.reader = bufio.NewReader(c.Conn)
	}
	return err
}

func (s *storm) request(number int64) []byte {
	body := s.bodies.body(number)
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		s.url.Path, s.url.Host, len(body))
	return append(head, body...)
}

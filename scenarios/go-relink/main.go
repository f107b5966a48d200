// A small web server. The build of an image may put a line in the place of the one that says so.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"
)

type status struct {
	Host    string
	Seconds float64
}

func main() {
	started := time.Now()
	host, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/status", func(answer http.ResponseWriter, request *http.Request) {
		// HERE
		if err := json.NewEncoder(answer).Encode(status{host, time.Since(started).Seconds()}); err != nil {
			log.Print(err)
		}
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}

// The hub of `make bench-read` in Go: a goroutine and a queue for each client, as gorilla/websocket's own example of
// a hub has them, and each message framed once for all clients. Each client gets a ping as often as from the API. Run
// it with `hub PORT`.
//
// `WS /ws/prices` takes a client. `GET /publish?frames=&every_s=` sends messages of 400 bytes to all of them.
package main

import (
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	payloadBytes = 400
	queueFrames  = 256
	pingEvery    = 10 * time.Second
	pingWithin   = time.Second
)

type hub struct {
	mutex   sync.RWMutex
	clients map[chan *websocket.PreparedMessage]struct{}
}

func (h *hub) add() chan *websocket.PreparedMessage {
	queue := make(chan *websocket.PreparedMessage, queueFrames)
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.clients[queue] = struct{}{}
	return queue
}

func (h *hub) remove(queue chan *websocket.PreparedMessage) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.clients, queue)
	close(queue)
}

func (h *hub) send(message *websocket.PreparedMessage) {
	h.mutex.RLock()
	defer h.mutex.RUnlock()
	for queue := range h.clients {
		queue <- message
	}
}

func (h *hub) serve(writer http.ResponseWriter, request *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	connection, err := upgrader.Upgrade(writer, request, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	queue := h.add()
	go func() {
		pings := time.NewTicker(pingEvery)
		defer pings.Stop()
		for {
			var err error
			select {
			case message, open := <-queue:
				if !open {
					return
				}
				err = connection.WritePreparedMessage(message)
			case <-pings.C:
				err = connection.WriteControl(websocket.PingMessage, nil, time.Now().Add(pingWithin))
			}
			if err != nil {
				// The reader notices it too, and takes the client out.
				connection.Close()
			}
		}
	}()
	defer h.remove(queue)
	for {
		if _, _, err := connection.ReadMessage(); err != nil {
			return
		}
	}
}

func (h *hub) publish(writer http.ResponseWriter, request *http.Request) {
	frames, _ := strconv.Atoi(request.FormValue("frames"))
	everyS, _ := strconv.ParseFloat(request.FormValue("every_s"), 64)
	payload := []byte(strings.Repeat("x", payloadBytes))
	for range frames {
		message, err := websocket.NewPreparedMessage(websocket.TextMessage, payload)
		if err != nil {
			http.Error(writer, err.Error(), http.StatusInternalServerError)
			return
		}
		h.send(message)
		time.Sleep(time.Duration(everyS * float64(time.Second)))
	}
}

func main() {
	hub := &hub{clients: map[chan *websocket.PreparedMessage]struct{}{}}
	http.HandleFunc("/ws/prices", hub.serve)
	http.HandleFunc("/publish", hub.publish)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

"""REST, the agent's desktop, MQTT over WebSocket, metrics."""

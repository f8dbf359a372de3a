"""Staffing and forecasting; numpy allowed."""

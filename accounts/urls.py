from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import tokens
from accounts.views import SignInView
from trashsite.routes import either

urlpatterns = [
    *either("tokens", tokens.TokensView.as_view(), "tokens"),
    *either("tokens/<int:token_id>", tokens.TokenView.as_view(), "token"),
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
